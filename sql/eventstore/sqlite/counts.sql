-- Of a block of which a part is archived, the rest counts.
SELECT
    (
        SELECT coalesce(sum(
            block.events - max(0, aggregate.archived - block.first_sequence + 1)
        ), 0)
        FROM block
            JOIN aggregate ON aggregate.id = block.aggregate
    ) AS events,
    (SELECT count(*) FROM aggregate) AS aggregates,
    (SELECT count(*) FROM snapshot) AS snapshots
