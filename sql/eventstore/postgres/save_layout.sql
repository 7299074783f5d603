INSERT INTO {schema}.event_layout (version)
VALUES (%(version)s)
