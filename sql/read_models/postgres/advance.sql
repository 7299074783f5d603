UPDATE {schema}.pgbridge_read_models
SET position = %(position)s
WHERE build = %(build)s AND position = %(before)s
