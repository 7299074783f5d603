-- Those that wait for this sink alone.
DELETE FROM result
WHERE store = :store
  AND sequence IN (
      SELECT mine.sequence
      FROM waiting AS mine
      WHERE mine.store = :store AND mine.sink = :sink AND mine.sequence <= :sequence
        AND NOT EXISTS (
            SELECT 1
            FROM waiting AS others
            WHERE others.store = :store
              AND others.sequence = mine.sequence
              AND others.sink <> :sink
        )
  )
