SELECT writer, sequence
FROM {schema}.processing_store
WHERE id = %(store)s
FOR UPDATE
