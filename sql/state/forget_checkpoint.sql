DELETE FROM checkpoint
WHERE slot = :slot
