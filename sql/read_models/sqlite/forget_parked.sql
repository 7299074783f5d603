DELETE FROM pgbridge_parked_events
WHERE build = :build
