INSERT INTO dead_letter (
    sink, event_id, commit_lsn, ordinal, operation, schema_name, table_name, reason, attempts,
    parked_at, native, portable
)
VALUES (
    :sink, :event_id, :commit_lsn, :ordinal, :operation, :schema_name, :table_name, :reason,
    :attempts, :parked_at, :native, :portable
)
ON CONFLICT (sink, event_id) DO UPDATE SET
    commit_lsn = excluded.commit_lsn,
    ordinal = excluded.ordinal,
    reason = excluded.reason,
    attempts = excluded.attempts,
    parked_at = excluded.parked_at,
    replayed_at = NULL,
    native = excluded.native,
    portable = excluded.portable
