-- Who we are, where we are, and what is in use.
SELECT role.rolname,
       role.rolsuper,
       role.rolreplication,
       coalesce(
           (SELECT pg_has_role(oid, 'MEMBER') FROM pg_roles WHERE rolname = 'rds_replication'),
           false
       ) AS may_replicate_on_rds,
       current_database(),
       has_database_privilege(current_database(), 'CREATE') AS may_create,
       pg_is_in_recovery(),
       current_setting('server_version'),
       current_setting('server_encoding'),
       clock_timestamp(),
       (SELECT count(*) FROM pg_replication_slots) AS slots,
       (SELECT count(*) FROM pg_stat_replication) AS wal_senders,
       ARRAY(SELECT rolname FROM pg_roles WHERE rolname = ANY (%(known_roles)s)) AS known_roles
FROM pg_roles AS role
WHERE role.rolname = current_user
