"""Event sourcing: domain events in an append-only store, and states rebuilt from them."""
