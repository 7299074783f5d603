SELECT
    event.global_sequence, aggregate.aggregate_type, aggregate.aggregate_id, event.sequence,
    event.event_id, event.event_type, event.version, event.timestamp, event.data, event.metadata
FROM aggregate
    CROSS JOIN event ON event.aggregate = aggregate.id
WHERE aggregate.aggregate_type = ?
    AND aggregate.aggregate_id = ?
    AND event.sequence > ?
ORDER BY event.sequence
LIMIT ?
