SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = %(schema)s),
       EXISTS (
           SELECT FROM pg_catalog.pg_tables
           WHERE schemaname = %(schema)s AND tablename = %(table)s
       )
