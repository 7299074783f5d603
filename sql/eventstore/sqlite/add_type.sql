INSERT INTO typed (event_type, first)
VALUES (?, ?)
