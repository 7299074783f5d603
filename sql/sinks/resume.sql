DELETE FROM sink_pause
WHERE slot = :slot AND sink = :sink
