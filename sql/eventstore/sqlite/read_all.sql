SELECT
    event.global_sequence, aggregate.aggregate_type, aggregate.aggregate_id, event.sequence,
    event.event_id, event.event_type, event.version, event.timestamp, event.data, event.metadata
FROM event
    CROSS JOIN aggregate ON aggregate.id = event.aggregate
WHERE event.global_sequence > ?
ORDER BY event.global_sequence
LIMIT ?
