INSERT INTO waiting (store, sink, sequence)
VALUES (?, ?, ?)
