INSERT INTO block (first, aggregate, first_sequence, events, body)
VALUES (?, ?, ?, ?, ?)
