SELECT aggregate_type, aggregate_id, last_sequence, archived
FROM head
WHERE (aggregate_type, aggregate_id) > (?, ?)
ORDER BY aggregate_type, aggregate_id
LIMIT ?
