SELECT (SELECT count(*) FROM {schema}.event),
       (
           SELECT count(*)
           FROM (
               SELECT aggregate_type, aggregate_id FROM {schema}.event
               UNION
               SELECT aggregate_type, aggregate_id FROM {schema}.event_archived
           ) AS aggregate
       ),
       (SELECT count(*) FROM {schema}.event_snapshot)
