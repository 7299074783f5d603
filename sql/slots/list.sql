-- Replication slots, and how much WAL each one makes the server keep.
-- Through to_jsonb a column is NULL where the server's version does not have it: two_phase is from
-- PostgreSQL 14, the columns about failover and invalidation are from 17.
SELECT slot.slot_name,
       slot.plugin,
       slot.slot_type,
       slot.database,
       slot.temporary,
       slot.active,
       slot.active_pid,
       slot.restart_lsn::text,
       slot.confirmed_flush_lsn::text,
       slot.wal_status,
       slot.safe_wal_size,
       (to_jsonb(slot) ->> 'two_phase')::bool AS two_phase,
       (to_jsonb(slot) ->> 'failover')::bool AS failover,
       (to_jsonb(slot) ->> 'synced')::bool AS synced,
       (to_jsonb(slot) ->> 'inactive_since')::timestamptz AS inactive_since,
       to_jsonb(slot) ->> 'invalidation_reason' AS invalidation_reason,
       age(slot.catalog_xmin) AS catalog_xmin_age,
       greatest(pg_wal_lsn_diff(wal.lsn, slot.restart_lsn), 0)::int8 AS retained_bytes,
       greatest(pg_wal_lsn_diff(wal.lsn, slot.confirmed_flush_lsn), 0)::int8 AS unconfirmed_bytes,
       CASE
           WHEN slot.active THEN extract(epoch FROM reader.flush_lag)
           ELSE extract(
               epoch FROM wal.now - (to_jsonb(slot) ->> 'inactive_since')::timestamptz
           )
       END::float8 AS lag_seconds,
       wal.lsn::text AS wal_lsn,
       extract(epoch FROM wal.now)::float8 AS server_time
FROM pg_replication_slots AS slot
LEFT JOIN pg_stat_replication AS reader ON reader.pid = slot.active_pid
CROSS JOIN (
    SELECT CASE
               WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()
               ELSE pg_current_wal_lsn()
           END,
           clock_timestamp()
) AS wal (lsn, now)
WHERE %(name)s::name IS NULL OR slot.slot_name = %(name)s
ORDER BY slot.slot_name
