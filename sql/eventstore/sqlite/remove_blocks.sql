DELETE FROM block
WHERE aggregate = (
        SELECT id
        FROM aggregate
        WHERE aggregate_type = :aggregate_type AND aggregate_id = :aggregate_id
    )
    AND first_sequence <= :up_to
    AND first_sequence + events - 1 <= :up_to
