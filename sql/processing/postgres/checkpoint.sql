SELECT position, sequence
FROM {schema}.processing_store
WHERE id = %(store)s
