UPDATE shop.orders SET status = (
    SELECT min(later) FROM unnest(enum_range(NULL::shop.order_status)) AS later
    WHERE later > orders.status
)
WHERE id = (SELECT id FROM shop.orders WHERE status < 'delivered' ORDER BY random() LIMIT 1)
