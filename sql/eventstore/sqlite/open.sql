INSERT INTO store (id, identity)
VALUES (1, :identity)
ON CONFLICT (id) DO NOTHING
