INSERT INTO {schema}.event (
    global_sequence, aggregate_type, aggregate_id, sequence, event_id, event_type, version,
    timestamp, data, metadata
)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
