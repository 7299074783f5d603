INSERT INTO shop.order_items (order_id, line, product_id, quantity, unit_price)
SELECT %(order)s, %(line)s, id, %(quantity)s, price
FROM shop.products ORDER BY random() LIMIT 1
