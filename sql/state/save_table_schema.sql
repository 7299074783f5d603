INSERT OR REPLACE INTO table_schema (
    system_identifier, database, name, commit_lsn, ordinal, timestamp, oid, replica_identity, key,
    columns
)
VALUES (
    :system_identifier, :database, :name, :commit_lsn, :ordinal, :timestamp, :oid, :replica_identity,
    :key, :columns
)
