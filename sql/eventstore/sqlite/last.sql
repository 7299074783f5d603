SELECT last_sequence
FROM store
