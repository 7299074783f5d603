SELECT DISTINCT name
FROM state
WHERE store = :store
ORDER BY name
