DELETE FROM identified
WHERE event_id IN (
    SELECT json_extract(item.value, '$[0]')
    FROM aggregate
        CROSS JOIN block ON block.aggregate = aggregate.id
        CROSS JOIN json_each(block.body) AS item
    WHERE aggregate.aggregate_type = :aggregate_type
        AND aggregate.aggregate_id = :aggregate_id
        AND block.first_sequence <= :up_to
        AND block.first_sequence + item.key <= :up_to
)
