INSERT INTO {schema}.event_store (identity)
VALUES (%(identity)s)
