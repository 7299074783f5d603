INSERT INTO {schema}.pgbridge_parked_events
SELECT %(build)s, parked.*
FROM unnest(
    %(global_sequence)s::bigint[], %(event_id)s::text[], %(event_type)s::text[],
    %(aggregate_type)s::text[], %(aggregate_id)s::text[], %(reason)s::text[],
    %(parked_at)s::bigint[]
) AS parked
