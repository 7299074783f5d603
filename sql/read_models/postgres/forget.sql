DELETE FROM {schema}.pgbridge_read_models
WHERE build = %(build)s
