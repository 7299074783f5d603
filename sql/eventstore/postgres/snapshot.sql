SELECT aggregate_type, aggregate_id, last_sequence, version, timestamp, state::text
FROM {schema}.event_snapshot
WHERE aggregate_type = %(type)s
  AND aggregate_id = %(id)s
  AND version = coalesce(%(version)s, version)
ORDER BY last_sequence DESC, version DESC
LIMIT 1
