SELECT sink, count(*)
FROM {schema}.processing_waiting
WHERE store = %(store)s
GROUP BY sink
