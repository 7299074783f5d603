-- From aggregate to aggregate along the index, past their events.
WITH RECURSIVE live AS (
    (
        SELECT aggregate_type, aggregate_id
        FROM {schema}.event
        WHERE (aggregate_type, aggregate_id) > (%(type)s, %(id)s)
        ORDER BY aggregate_type, aggregate_id
        LIMIT 1
    )
    UNION ALL
    SELECT following.aggregate_type, following.aggregate_id
    FROM live
    CROSS JOIN LATERAL (
        SELECT event.aggregate_type, event.aggregate_id
        FROM {schema}.event
        WHERE (event.aggregate_type, event.aggregate_id) > (live.aggregate_type, live.aggregate_id)
        ORDER BY event.aggregate_type, event.aggregate_id
        LIMIT 1
    ) AS following
),
listed AS (
    (SELECT aggregate_type, aggregate_id FROM live LIMIT %(limit)s)
    UNION
    (
        SELECT aggregate_type, aggregate_id
        FROM {schema}.event_archived
        WHERE (aggregate_type, aggregate_id) > (%(type)s, %(id)s)
        ORDER BY aggregate_type, aggregate_id
        LIMIT %(limit)s
    )
    ORDER BY aggregate_type, aggregate_id
    LIMIT %(limit)s
)
SELECT listed.aggregate_type, listed.aggregate_id,
       coalesce((
           SELECT max(event.sequence)
           FROM {schema}.event
           WHERE event.aggregate_type = listed.aggregate_type
             AND event.aggregate_id = listed.aggregate_id
       ), archived.last_sequence),
       coalesce(archived.last_sequence, 0)
FROM listed
LEFT JOIN {schema}.event_archived AS archived
ON archived.aggregate_type = listed.aggregate_type AND archived.aggregate_id = listed.aggregate_id
ORDER BY listed.aggregate_type, listed.aggregate_id
