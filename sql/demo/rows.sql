-- What is there before the bridge comes: it arrives as Read events.
INSERT INTO shop.products (name, price, stock, tags, rating, thumbnail, description)
SELECT name, price, stock, tags, rating, decode(md5(name), 'hex'), repeat(name || '. ', 500)
FROM (VALUES
    ('Blue mug', 9.90, 140, '{kitchen,blue}'::text[], 4.5::real),
    ('Teapot', 34.00, 25, '{kitchen}', 4.8),
    ('Notebook, ruled', 4.20, 600, '{paper}', 4.1),
    ('Fountain pen', 48.50, 40, '{writing,"gift idea"}', NULL),
    ('Desk lamp', 72.00, 18, '{light}', 3.9),
    ('Bicycle bell', 12.30, 75, '{outdoor}', 4.6),
    ('Rain jacket', 119.00, 30, '{outdoor,clothes}', 4.3),
    ('Wool socks', 14.90, 210, '{clothes}', 4.7)
) AS product (name, price, stock, tags, rating);

INSERT INTO shop.customers (name, email, vip, address, preferences, last_ip, joined)
VALUES
    ('Ada', 'ada@example.com', true, ('1 Bridge Street', 'N1', 'London'),
     '{"newsletter": true}', '192.0.2.10', '2021-03-14'),
    ('Björn', 'bjorn@example.com', false, ('Storgatan 5', '111 22', 'Stockholm'),
     '{"theme": "dark"}', '2001:db8::7', '2022-11-02'),
    ('Chiara', 'chiara@example.com', false, NULL, '{}', NULL, '2024-06-30');
