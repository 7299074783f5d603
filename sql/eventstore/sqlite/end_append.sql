UPDATE store
SET appending = 0, last_sequence = ?
WHERE id = 1
