SELECT name, commit_lsn, ordinal, timestamp, oid, replica_identity, key, columns
FROM table_schema
WHERE system_identifier = :system_identifier AND database = :database
