INSERT INTO {schema}.pgbridge_read_models_layout (version) VALUES (%(version)s)
