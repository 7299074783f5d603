"""How fast events are appended and read, beside the package ``eventsourcing``."""
