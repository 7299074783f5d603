SELECT global_sequence, aggregate_type, aggregate_id, sequence, event_id::text, event_type,
       version, timestamp, data::text, metadata::text
FROM {schema}.event
WHERE event_type = %(type)s AND global_sequence > %(after)s
ORDER BY global_sequence
LIMIT %(limit)s
