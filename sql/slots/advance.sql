SELECT end_lsn::text FROM pg_replication_slot_advance(%(name)s, %(lsn)s::pg_lsn)
