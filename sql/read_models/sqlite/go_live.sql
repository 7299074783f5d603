UPDATE pgbridge_read_models
SET live = 1
WHERE build = :build AND position = :position
