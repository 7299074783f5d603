-- version: NULL for any.
SELECT
    aggregate.aggregate_type, aggregate.aggregate_id, snapshot.last_sequence, snapshot.version,
    snapshot.timestamp, snapshot.state
FROM snapshot
    JOIN aggregate ON aggregate.id = snapshot.aggregate
WHERE aggregate.aggregate_type = :aggregate_type
    AND aggregate.aggregate_id = :aggregate_id
    AND (:version IS NULL OR snapshot.version = :version)
ORDER BY snapshot.last_sequence DESC, snapshot.version DESC
LIMIT 1
