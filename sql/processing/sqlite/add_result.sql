INSERT INTO result (store, sequence, id, type, processor, timestamp, row_id, members, sinks)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
