-- How each table looked, and from which change on. columns is a JSON array of pairs of name and
-- type, key one of names.
CREATE TABLE table_schema (
    system_identifier TEXT NOT NULL,
    database TEXT NOT NULL,
    name TEXT NOT NULL,
    commit_lsn TEXT NOT NULL,
    ordinal INTEGER NOT NULL,
    timestamp INTEGER NOT NULL,
    oid INTEGER NOT NULL,
    replica_identity TEXT NOT NULL,
    key TEXT NOT NULL,
    columns TEXT NOT NULL,
    PRIMARY KEY (system_identifier, database, name, commit_lsn, ordinal)
);
