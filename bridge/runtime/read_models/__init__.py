"""Read models of a running bridge: views in SQLite files, and the threads that follow events."""
