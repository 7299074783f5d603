INSERT INTO delivered (store, sink, sequence)
VALUES (:store, :sink, :sequence)
ON CONFLICT (store, sink) DO UPDATE SET sequence = max(sequence, excluded.sequence)
