SELECT sink, sequence
FROM delivered
WHERE store = :store
