INSERT INTO shop.orders (customer_id, delivery)
SELECT id, daterange(current_date + 2, current_date + 5)
FROM shop.customers ORDER BY random() LIMIT 1
RETURNING id
