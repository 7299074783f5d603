-- What runs low is ordered again.
UPDATE shop.products
SET stock = stock - item.quantity + CASE WHEN stock < 20 THEN 200 ELSE 0 END
FROM (
    SELECT product_id, sum(quantity) AS quantity FROM shop.order_items
    WHERE order_id = %(order)s GROUP BY product_id
) AS item
WHERE id = item.product_id
