UPDATE pgbridge_read_models
SET position = :position
WHERE build = :build AND position = :before
