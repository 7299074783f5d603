INSERT INTO {layout} (version) VALUES (%(version)s)
