SELECT id, identity
FROM store
WHERE slot = :slot
