INSERT INTO segment (name, first, last, events, size, sha256)
VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (name) DO NOTHING
