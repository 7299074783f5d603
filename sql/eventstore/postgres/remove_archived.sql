DELETE FROM {schema}.event
USING json_to_recordset(%(removed)s::json)
    AS removed (aggregate_type text, aggregate_id text, up_to bigint)
WHERE event.aggregate_type = removed.aggregate_type
  AND event.aggregate_id = removed.aggregate_id
  AND event.sequence <= removed.up_to
