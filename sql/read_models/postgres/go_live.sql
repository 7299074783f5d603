UPDATE {schema}.pgbridge_read_models
SET live = true
WHERE build = %(build)s AND position = %(position)s
