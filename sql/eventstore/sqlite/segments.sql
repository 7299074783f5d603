SELECT name, first, last, events, size, sha256
FROM segment
ORDER BY first
