SELECT sink, commit_lsn, ordinal
FROM sink_position
WHERE slot = :slot
