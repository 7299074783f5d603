CREATE TABLE {schema}.pgbridge_read_models_layout (version integer PRIMARY KEY)
