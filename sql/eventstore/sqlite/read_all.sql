-- Blocks from that on which has the event behind the global sequence `after`.
SELECT
    block.first, aggregate.aggregate_type, aggregate.aggregate_id, block.first_sequence,
    aggregate.archived, block.body
FROM block
    CROSS JOIN aggregate ON aggregate.id = block.aggregate
WHERE block.first >= coalesce((SELECT max(first) FROM block WHERE first <= :after + 1), 0)
ORDER BY block.first
