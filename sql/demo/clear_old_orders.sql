DELETE FROM shop.orders
WHERE id < (SELECT id FROM shop.orders ORDER BY id DESC OFFSET %(keep)s LIMIT 1)
