SELECT system_identifier, timeline, database, publication, phase, confirmed_lsn
FROM checkpoint
WHERE slot = :slot
