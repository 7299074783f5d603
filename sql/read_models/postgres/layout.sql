SELECT coalesce(max(version), 0) FROM {schema}.pgbridge_read_models_layout
