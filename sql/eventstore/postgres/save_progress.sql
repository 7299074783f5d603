INSERT INTO {schema}.event_progress (name, position, source)
VALUES (%(name)s, %(position)s, %(source)s)
ON CONFLICT (name) DO UPDATE
SET position = excluded.position, source = excluded.source
