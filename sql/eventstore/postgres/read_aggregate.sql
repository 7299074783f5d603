SELECT global_sequence, aggregate_type, aggregate_id, sequence, event_id::text, event_type,
       version, timestamp, data::text, metadata::text
FROM {schema}.event
WHERE aggregate_type = %(type)s AND aggregate_id = %(id)s AND sequence > %(after)s
ORDER BY sequence
LIMIT %(limit)s
