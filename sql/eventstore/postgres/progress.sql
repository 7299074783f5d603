SELECT position, source
FROM {schema}.event_progress
WHERE name = %(name)s
