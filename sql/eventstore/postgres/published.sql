SELECT EXISTS (
    SELECT FROM pg_catalog.pg_publication_tables
    WHERE pubname = %(publication)s
      AND schemaname = %(schema)s
      AND (tablename = 'event' OR tablename LIKE 'event\_%%')
)
