CREATE TABLE {layout} (version integer PRIMARY KEY)
