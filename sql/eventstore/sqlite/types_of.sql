SELECT aggregate_type
FROM aggregate
WHERE aggregate_id = ?
ORDER BY aggregate_type
