SELECT name, first, last, events, size, sha256
FROM {schema}.event_segment
ORDER BY first, last
