-- Transactions that have written and not ended: creating a slot waits for those that are older.
-- The locks on transaction numbers are visible to every role; when the transactions began, only to
-- roles with pg_read_all_stats.
SELECT DISTINCT ON (seniority, lock.pid, prepared.gid)
       lock.pid,
       prepared.gid,
       coalesce(session.datname, prepared.database) AS database,
       coalesce(session.usename, prepared.owner) AS owner,
       nullif(session.application_name, '') AS application,
       session.state,
       coalesce(session.xact_start, prepared.prepared) AS since,
       max(age(lock.transactionid)) OVER (PARTITION BY lock.pid, prepared.gid) AS seniority
FROM pg_locks AS lock
LEFT JOIN pg_stat_activity AS session ON session.pid = lock.pid
LEFT JOIN pg_prepared_xacts AS prepared ON prepared.transaction = lock.transactionid
WHERE lock.locktype = 'transactionid'
  AND lock.mode = 'ExclusiveLock'
  AND lock.granted
  AND (%(waiting_pid)s::int4 IS NULL OR lock.pid IS DISTINCT FROM %(waiting_pid)s::int4)
ORDER BY seniority DESC, lock.pid, prepared.gid
LIMIT 10
