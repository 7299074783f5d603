INSERT INTO {schema}.event_type (event_type, block)
SELECT DISTINCT given.event_type, given.global_sequence / 128
FROM unnest(%(types)s::text[], %(places)s::bigint[]) AS given (event_type, global_sequence)
ON CONFLICT DO NOTHING
