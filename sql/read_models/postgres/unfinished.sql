SELECT build
FROM {schema}.pgbridge_read_models
WHERE name = %(name)s AND NOT live
