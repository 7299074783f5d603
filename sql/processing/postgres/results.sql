SELECT sequence, id, type, processor, timestamp, row_id, members, sinks
FROM {schema}.processing_waiting AS waiting
JOIN {schema}.processing_result AS result USING (store, sequence)
WHERE waiting.store = %(store)s AND waiting.sink = %(sink)s AND waiting.sequence > %(after)s
ORDER BY waiting.sequence
LIMIT %(limit)s
