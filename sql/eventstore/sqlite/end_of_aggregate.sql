SELECT id, last_sequence
FROM aggregate
WHERE aggregate_type = ? AND aggregate_id = ?
