DELETE FROM sink_position
WHERE slot = :slot
