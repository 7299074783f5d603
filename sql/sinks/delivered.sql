SELECT sink, commit_lsn, ordinal
FROM delivered_position
WHERE slot = :slot
