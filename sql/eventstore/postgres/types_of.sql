-- From type to type along the index: there are few types, and many events of each.
WITH RECURSIVE kind AS (
    SELECT min(aggregate_type) AS aggregate_type
    FROM {schema}.event
    UNION ALL
    SELECT (
        SELECT min(event.aggregate_type)
        FROM {schema}.event
        WHERE event.aggregate_type > kind.aggregate_type
    )
    FROM kind
    WHERE kind.aggregate_type IS NOT NULL
)
SELECT aggregate_type
FROM kind
WHERE EXISTS (
    SELECT FROM {schema}.event
    WHERE event.aggregate_type = kind.aggregate_type AND event.aggregate_id = %(id)s
)
UNION
SELECT aggregate_type
FROM {schema}.event_archived
WHERE aggregate_id = %(id)s
ORDER BY aggregate_type
