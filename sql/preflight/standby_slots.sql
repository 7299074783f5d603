-- The slots that a failover slot waits for.
SELECT wanted.name, coalesce(slot.active, false)
FROM unnest(%(names)s::text[]) AS wanted (name)
LEFT JOIN pg_replication_slots AS slot ON slot.slot_name = wanted.name
ORDER BY wanted.name
