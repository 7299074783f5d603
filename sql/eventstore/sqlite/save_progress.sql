INSERT INTO progress (name, position, source)
VALUES (?, ?, ?)
ON CONFLICT (name) DO UPDATE
SET position = excluded.position, source = excluded.source
