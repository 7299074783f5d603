-- ids: a JSON array.
SELECT
    event.global_sequence, aggregate.aggregate_type, aggregate.aggregate_id, event.sequence,
    event.event_id, event.event_type, event.version, event.timestamp, event.data, event.metadata
FROM json_each(:ids) AS wanted
    CROSS JOIN event ON event.event_id = wanted.value
    JOIN aggregate ON aggregate.id = event.aggregate
