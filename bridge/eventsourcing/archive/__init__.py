"""Old events in compressed, checksummed files, which are read as if they had never moved."""
