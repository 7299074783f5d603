UPDATE shop.products SET description = repeat('Now even better: ' || name || '. ', 500)
WHERE id = (SELECT id FROM shop.products ORDER BY random() LIMIT 1)
