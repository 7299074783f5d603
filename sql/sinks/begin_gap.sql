INSERT INTO sink_gap (slot, sink, commit_lsn, ordinal)
VALUES (:slot, :sink, :commit_lsn, :ordinal)
ON CONFLICT (slot, sink) DO NOTHING
