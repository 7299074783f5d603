INSERT INTO state (store, name, part, data)
VALUES (:store, :name, :part, :data)
