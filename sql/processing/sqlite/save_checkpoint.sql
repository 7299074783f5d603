UPDATE store
SET position = :position, sequence = :sequence
WHERE id = :store
