"""Old events in compressed, checksummed segment files, which are read as if they had never moved."""
