-- The clock first: a transaction that commits later than this row says has a later commit time.
-- A standby replays commits long after their time, so its clock says nothing.
SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::int8,
       CASE WHEN pg_is_in_recovery() THEN NULL ELSE pg_current_wal_insert_lsn() - '0/0' END::int8,
       current_setting('wal_block_size')::int4
