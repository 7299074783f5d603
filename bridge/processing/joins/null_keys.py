"""Keys that join nothing: as in SQL, where NULL does not even equal NULL."""

from __future__ import annotations

from bridge.processing.events import Key


def is_null(key: Key) -> bool:
    """Say whether a key is NULL, or has a part that is."""
    return key is None or (isinstance(key, tuple) and None in key)
