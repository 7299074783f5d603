SELECT global_sequence, event_id, event_type, aggregate_type, aggregate_id, reason, parked_at
FROM {schema}.pgbridge_parked_events
JOIN {schema}.pgbridge_read_models USING (build)
WHERE name = %(name)s AND live
ORDER BY global_sequence
LIMIT %(limit)s
