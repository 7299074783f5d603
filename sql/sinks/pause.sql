INSERT INTO sink_pause (slot, sink, reason, paused_at)
VALUES (:slot, :sink, :reason, :paused_at)
ON CONFLICT (slot, sink) DO NOTHING
