SELECT name, sum(octet_length(data))::int8
FROM {schema}.processing_state
WHERE store = %(store)s
GROUP BY name
