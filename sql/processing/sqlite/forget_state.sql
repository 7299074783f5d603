DELETE FROM state
WHERE store = :store AND name = :name
