SELECT native, portable
FROM dead_letter
WHERE id = :id
