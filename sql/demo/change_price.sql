UPDATE shop.products SET price = least(500, greatest(1, round(price * %(factor)s::numeric, 2)))
WHERE id = (SELECT id FROM shop.products ORDER BY random() LIMIT 1)
