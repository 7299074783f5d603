SELECT name, sum(length(data))
FROM state
WHERE store = :store
GROUP BY name
