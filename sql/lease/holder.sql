-- A lock on a 64-bit key shows as its two halves, with objsubid 1.
SELECT lock.pid, session.application_name, host(session.client_addr)
FROM pg_locks AS lock
LEFT JOIN pg_stat_activity AS session ON session.pid = lock.pid
WHERE lock.locktype = 'advisory'
  AND lock.granted
  AND lock.objsubid = 1
  AND lock.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND lock.classid::int8 = (%(key)s::int8 >> 32) & 4294967295
  AND lock.objid::int8 = %(key)s::int8 & 4294967295
