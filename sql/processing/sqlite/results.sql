SELECT sequence, id, type, processor, timestamp, row_id, members, sinks
FROM waiting
JOIN result USING (store, sequence)
WHERE waiting.store = :store AND waiting.sink = :sink AND waiting.sequence > :after
ORDER BY waiting.sequence
LIMIT :limit
