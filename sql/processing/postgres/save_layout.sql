INSERT INTO {schema}.processing_layout (version)
VALUES (%(version)s)
