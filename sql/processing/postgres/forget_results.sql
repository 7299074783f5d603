-- Those that wait for this sink alone.
DELETE FROM {schema}.processing_result AS result
USING {schema}.processing_waiting AS mine
WHERE mine.store = %(store)s AND mine.sink = %(sink)s AND mine.sequence <= %(sequence)s
  AND result.store = mine.store AND result.sequence = mine.sequence
  AND NOT EXISTS (
      SELECT FROM {schema}.processing_waiting AS others
      WHERE others.store = mine.store
        AND others.sequence = mine.sequence
        AND others.sink <> mine.sink
  )
