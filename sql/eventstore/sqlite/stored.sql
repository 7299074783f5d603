-- Blocks with events of these ids. ids: a JSON array.
SELECT
    block.first, aggregate.aggregate_type, aggregate.aggregate_id, block.first_sequence,
    aggregate.archived, block.body
FROM block
    JOIN aggregate ON aggregate.id = block.aggregate
WHERE block.first IN (
    SELECT (SELECT max(first) FROM block WHERE first <= identified.global_sequence)
    FROM json_each(:ids) AS wanted
        CROSS JOIN identified ON identified.event_id = wanted.value
)
