DELETE FROM sink_gap
WHERE slot = :slot AND sink = :sink
