SELECT position, sequence
FROM store
WHERE id = :store
