UPDATE aggregate
SET archived = max(archived, :up_to)
WHERE aggregate_type = :aggregate_type AND aggregate_id = :aggregate_id
