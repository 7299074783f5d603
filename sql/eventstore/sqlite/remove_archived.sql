DELETE FROM event
WHERE aggregate = (
        SELECT id
        FROM aggregate
        WHERE aggregate_type = :aggregate_type AND aggregate_id = :aggregate_id
    )
    AND sequence <= :up_to
