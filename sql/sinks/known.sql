SELECT sink FROM sink_pause WHERE slot = :slot
UNION
SELECT sink FROM sink_gap WHERE slot = :slot
UNION
SELECT sink FROM delivered_position WHERE slot = :slot
