SELECT build, version, layout, source, position
FROM {schema}.pgbridge_read_models
WHERE name = %(name)s AND live
