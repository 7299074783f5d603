INSERT INTO aggregate (aggregate_type, aggregate_id, last_sequence)
VALUES (?, ?, 0)
