SELECT coalesce(live.last_sequence, archived.last_sequence), coalesce(archived.last_sequence, 0)
FROM (
    SELECT max(sequence) AS last_sequence
    FROM {schema}.event
    WHERE aggregate_type = %(type)s AND aggregate_id = %(id)s
) AS live
LEFT JOIN {schema}.event_archived AS archived
ON archived.aggregate_type = %(type)s AND archived.aggregate_id = %(id)s
