SELECT name, position, source
FROM progress
WHERE name = ?
