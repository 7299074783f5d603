DELETE FROM dead_letter
WHERE (:sink IS NULL OR sink = :sink)
    AND (:id IS NULL OR id = :id)
    AND (:before IS NULL OR parked_at < :before)
    AND (:with_waiting OR replayed_at IS NOT NULL)
