SELECT sink, reason, paused_at
FROM sink_pause
WHERE slot = :slot
