DELETE FROM {schema}.pgbridge_parked_events
WHERE build = %(build)s
