SELECT count(*)
FROM {schema}.pgbridge_parked_events
JOIN {schema}.pgbridge_read_models USING (build)
WHERE name = %(name)s AND live
