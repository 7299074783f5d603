SELECT count(*)
FROM pgbridge_parked_events
JOIN pgbridge_read_models USING (build)
WHERE name = :name AND live = 1
