SELECT build, version, layout, source, position
FROM pgbridge_read_models
WHERE name = :name AND live = 1
