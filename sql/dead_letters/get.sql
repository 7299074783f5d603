SELECT
    id, sink, event_id, commit_lsn, ordinal, operation, schema_name, table_name, reason, attempts,
    parked_at, replayed_at, length(native)
FROM dead_letter
WHERE id = :id
