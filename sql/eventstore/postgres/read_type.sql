SELECT event.global_sequence, event.aggregate_type, event.aggregate_id, event.sequence,
       event.event_id::text, event.event_type, event.version, event.timestamp, event.data::text,
       event.metadata::text
FROM {schema}.event_type AS typed
CROSS JOIN LATERAL (
    SELECT *
    FROM {schema}.event
    WHERE event.event_type = typed.event_type
      AND event.global_sequence BETWEEN typed.block * 128 AND typed.block * 128 + 127
      AND event.global_sequence > %(after)s
    ORDER BY event.global_sequence
    LIMIT 128
) AS event
WHERE typed.event_type = %(type)s AND typed.block >= %(after)s::bigint / 128
ORDER BY typed.block, event.global_sequence
LIMIT %(limit)s
