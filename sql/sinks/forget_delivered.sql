DELETE FROM delivered_position
WHERE slot = :slot AND sink = :sink
