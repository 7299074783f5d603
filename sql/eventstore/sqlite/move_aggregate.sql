UPDATE aggregate
SET last_sequence = ?
WHERE id = ?
