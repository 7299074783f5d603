SELECT id, last_sequence
FROM head
WHERE aggregate_type = ? AND aggregate_id = ?
