-- Blocks from that on which has the event behind the sequence `after`.
SELECT
    block.first, aggregate.aggregate_type, aggregate.aggregate_id, block.first_sequence,
    aggregate.archived, block.body
FROM aggregate
    CROSS JOIN block ON block.aggregate = aggregate.id
WHERE aggregate.aggregate_type = :aggregate_type
    AND aggregate.aggregate_id = :aggregate_id
    AND block.first_sequence >= coalesce((
        SELECT max(earlier.first_sequence)
        FROM block AS earlier
        WHERE earlier.aggregate = aggregate.id AND earlier.first_sequence <= :after + 1
    ), 0)
ORDER BY block.first_sequence
