UPDATE {schema}.processing_store
SET position = %(position)s, sequence = %(sequence)s
WHERE id = %(store)s
