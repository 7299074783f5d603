INSERT INTO aggregate (aggregate_type, aggregate_id)
VALUES (?, ?)
