COPY {schema}.processing_waiting (store, sink, sequence)
FROM STDIN (FORMAT binary)
