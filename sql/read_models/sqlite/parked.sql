SELECT global_sequence, event_id, event_type, aggregate_type, aggregate_id, reason, parked_at
FROM pgbridge_parked_events
JOIN pgbridge_read_models USING (build)
WHERE name = :name AND live = 1
ORDER BY global_sequence
LIMIT :limit
