SELECT data
FROM state
WHERE store = :store AND name = :name
ORDER BY part
