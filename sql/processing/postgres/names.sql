SELECT DISTINCT name
FROM {schema}.processing_state
WHERE store = %(store)s
