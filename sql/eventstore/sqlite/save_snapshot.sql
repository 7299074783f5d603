INSERT INTO snapshot (aggregate, version, last_sequence, timestamp, state)
SELECT id, :version, :last_sequence, :timestamp, :state
FROM aggregate
WHERE aggregate_type = :aggregate_type AND aggregate_id = :aggregate_id
ON CONFLICT (aggregate, version) DO UPDATE
SET last_sequence = excluded.last_sequence, timestamp = excluded.timestamp, state = excluded.state
WHERE excluded.last_sequence >= snapshot.last_sequence
