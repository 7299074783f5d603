UPDATE store
SET appending = 1
WHERE id = 1
