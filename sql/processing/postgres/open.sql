INSERT INTO {schema}.processing_store AS store (slot, identity, writer)
VALUES (%(slot)s, %(identity)s, %(writer)s)
ON CONFLICT (slot) DO UPDATE SET writer = excluded.writer
RETURNING store.id, store.identity
