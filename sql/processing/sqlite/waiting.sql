SELECT sink, count(*)
FROM waiting
WHERE store = :store
GROUP BY sink
