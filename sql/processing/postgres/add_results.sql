COPY {schema}.processing_result (
    store, sequence, id, type, processor, timestamp, row_id, members, sinks
)
FROM STDIN (FORMAT binary)
