SELECT sink, commit_lsn, ordinal
FROM sink_gap
WHERE slot = :slot
