INSERT INTO {schema}.event_archived AS archived (aggregate_type, aggregate_id, last_sequence)
SELECT aggregate_type, aggregate_id, max(up_to)
FROM json_to_recordset(%(removed)s::json)
    AS removed (aggregate_type text, aggregate_id text, up_to bigint)
GROUP BY aggregate_type, aggregate_id
ON CONFLICT (aggregate_type, aggregate_id) DO UPDATE
SET last_sequence = excluded.last_sequence
WHERE archived.last_sequence < excluded.last_sequence
