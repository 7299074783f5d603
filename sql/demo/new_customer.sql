INSERT INTO shop.customers (name, email, address, last_ip)
VALUES (
    %(name)s, %(email)s, ROW(%(street)s, %(postcode)s, %(city)s)::shop.address, %(ip)s
)
