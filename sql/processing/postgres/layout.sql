SELECT coalesce(max(version), 0)
FROM {schema}.processing_layout
