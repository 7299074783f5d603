DELETE FROM pgbridge_read_models
WHERE build = :build
