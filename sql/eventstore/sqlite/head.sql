SELECT aggregate_type, aggregate_id, last_sequence, archived
FROM head
WHERE aggregate_type = ? AND aggregate_id = ?
