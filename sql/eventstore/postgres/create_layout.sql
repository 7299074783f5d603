CREATE TABLE {schema}.event_layout (version integer PRIMARY KEY)
