INSERT INTO identified (event_id, global_sequence)
VALUES
