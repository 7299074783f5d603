SELECT id, identity
FROM {schema}.processing_store
WHERE slot = %(slot)s
