INSERT INTO {schema}.event_segment (name, first, last, events, size, sha256)
VALUES (%s, %s, %s, %s, %s, %s)
ON CONFLICT (name) DO NOTHING
