-- Its items go with it.
DELETE FROM shop.orders
WHERE id = (SELECT id FROM shop.orders WHERE status < 'shipped' ORDER BY random() LIMIT 1)
