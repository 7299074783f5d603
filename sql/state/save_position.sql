INSERT INTO sink_position (slot, sink, commit_lsn, ordinal)
VALUES (:slot, :sink, :commit_lsn, :ordinal)
