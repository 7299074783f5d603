SELECT sink, sequence
FROM {schema}.processing_delivered
WHERE store = %(store)s
