-- Blocks with events of a type, from that on which may have the one behind the global sequence
-- `after`.
SELECT
    block.first, aggregate.aggregate_type, aggregate.aggregate_id, block.first_sequence,
    aggregate.archived, block.body
FROM typed
    CROSS JOIN block ON block.first = typed.first
    CROSS JOIN aggregate ON aggregate.id = block.aggregate
WHERE typed.event_type = :event_type
    AND typed.first >= coalesce((
        SELECT max(earlier.first)
        FROM typed AS earlier
        WHERE earlier.event_type = :event_type AND earlier.first <= :after + 1
    ), 0)
ORDER BY typed.first
