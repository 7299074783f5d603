SELECT EXISTS (SELECT FROM pg_catalog.pg_publication WHERE pubname = %(publication)s AND puballtables)
    OR EXISTS (
           SELECT FROM pg_catalog.pg_publication_tables
           WHERE pubname = %(publication)s AND schemaname = %(schema)s
       )
