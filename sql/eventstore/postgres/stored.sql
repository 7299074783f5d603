SELECT global_sequence, aggregate_type, aggregate_id, sequence, event_id::text, event_type,
       version, timestamp, data::text, metadata::text
FROM {schema}.event
WHERE event_id = ANY (%(ids)s::uuid[])
