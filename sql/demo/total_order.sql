UPDATE shop.orders SET total = (
    SELECT sum(quantity * unit_price) FROM shop.order_items WHERE order_id = orders.id
)
WHERE id = %(order)s
