UPDATE shop.customers SET preferences = preferences || jsonb_build_object(%(key)s::text, %(value)s::int)
WHERE id = (SELECT id FROM shop.customers ORDER BY random() LIMIT 1)
