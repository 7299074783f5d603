SELECT
    id, sink, event_id, commit_lsn, ordinal, operation, schema_name, table_name, reason, attempts,
    parked_at, replayed_at, length(native)
FROM dead_letter
WHERE (:sink IS NULL OR sink = :sink)
    AND (:with_replayed OR replayed_at IS NULL)
    AND (commit_lsn, ordinal, id) > (:after_lsn, :after_ordinal, :after_id)
ORDER BY commit_lsn, ordinal, id
LIMIT :limit
