SELECT lsn::text
FROM pg_create_logical_replication_slot(
    %(name)s, %(plugin)s, %(temporary)s, %(two_phase)s, %(failover)s
)
