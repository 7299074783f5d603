INSERT INTO store (slot, identity)
VALUES (:slot, :identity)
ON CONFLICT (slot) DO NOTHING
