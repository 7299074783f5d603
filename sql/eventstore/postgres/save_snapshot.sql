INSERT INTO {schema}.event_snapshot AS found (
    aggregate_type, aggregate_id, last_sequence, version, timestamp, state
)
VALUES (%s, %s, %s, %s, %s, %s)
ON CONFLICT (aggregate_type, aggregate_id, version) DO UPDATE
SET last_sequence = excluded.last_sequence,
    timestamp = excluded.timestamp,
    state = excluded.state
WHERE found.last_sequence <= excluded.last_sequence
