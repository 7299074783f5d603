SELECT coalesce(max(version), 0)
FROM {schema}.event_layout
