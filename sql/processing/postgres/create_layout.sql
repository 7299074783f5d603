CREATE TABLE {schema}.processing_layout (version integer PRIMARY KEY)
