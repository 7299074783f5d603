INSERT INTO event (
    global_sequence, aggregate, sequence, event_id, event_type, version, timestamp, data, metadata
)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
