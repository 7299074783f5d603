INSERT INTO delivered_position (slot, sink, commit_lsn, ordinal)
VALUES (:slot, :sink, :commit_lsn, :ordinal)
ON CONFLICT (slot, sink) DO UPDATE SET
    commit_lsn = excluded.commit_lsn,
    ordinal = excluded.ordinal
