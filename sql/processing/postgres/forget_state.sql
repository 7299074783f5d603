DELETE FROM {schema}.processing_state
WHERE store = %(store)s AND name = %(name)s
