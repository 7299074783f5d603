SELECT EXISTS (SELECT 1 FROM pgbridge_read_models WHERE build = :build)
