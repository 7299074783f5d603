SELECT build
FROM pgbridge_read_models
WHERE name = :name AND live = 0
