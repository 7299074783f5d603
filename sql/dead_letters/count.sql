SELECT sink, count(*)
FROM dead_letter
WHERE replayed_at IS NULL
GROUP BY sink
ORDER BY sink
