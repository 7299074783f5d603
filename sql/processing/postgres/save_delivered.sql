INSERT INTO {schema}.processing_delivered AS delivered (store, sink, sequence)
VALUES (%(store)s, %(sink)s, %(sequence)s)
ON CONFLICT (store, sink) DO UPDATE
    SET sequence = greatest(delivered.sequence, excluded.sequence)
