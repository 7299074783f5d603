UPDATE dead_letter
SET replayed_at = :replayed_at
WHERE id = :id
