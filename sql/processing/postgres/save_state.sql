INSERT INTO {schema}.processing_state (store, name, part, data)
VALUES (%(store)s, %(name)s, %(part)s, %(data)b)
