"""The rows of a table under the key that a join looks for, as the stream changes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from bridge.processing.events import Key, normal_key

Identity: TypeAlias = tuple[str, str]
"""Of a row: its table, and ``CdcEvent.row_id``."""


class TableRows:
    """Knows under which key each row is, so that what replaces or deletes it finds it.

    The key of a join is often not the primary key, and then the server does not say what it was
    before. Of several rows with one key, the one that changed last counts; when it goes, the one
    before it counts again.

    Args:
        tell: takes a key and the row that counts from now on; None if there is none any more.
    """

    def __init__(self, tell: Callable[[Key, Any | None], None]) -> None:
        self._tell = tell
        self._rows: dict[Identity, tuple[Key, Any]] = {}
        self._of_key: dict[Key, dict[Identity, None]] = {}  # in the order of their changes

    def __len__(self) -> int:
        return len(self._rows)

    def get(self, identity: Identity) -> Any | None:
        """Return what is kept of a row."""
        found = self._rows.get(identity)
        return None if found is None else found[1]

    def put(self, identity: Identity, key: Key, row: Any) -> None:
        """Take a row as it is from now on, in place of what it was."""
        self.remove(identity)
        key = normal_key(key)
        self._add(identity, key, row)
        self._tell(key, row)

    def remove(self, identity: Identity) -> None:
        """Forget a row, if it is known."""
        found = self._rows.pop(identity, None)
        if found is None:
            return
        key, _ = found
        holders = self._of_key[key]
        counted = next(reversed(holders)) == identity
        del holders[identity]
        if not holders:
            del self._of_key[key]
            self._tell(key, None)
        elif counted:
            self._tell(key, self._rows[next(reversed(holders))][1])

    def truncate(self, table: str) -> None:
        """Forget the rows of a table."""
        for identity in [known for known in self._rows if known[0] == table]:
            self.remove(identity)

    def snapshot(self) -> list[tuple[Identity, Key, Any]]:
        """Return the rows as plain data, in an order that keeps which one counts."""
        return [
            (identity, key, self._rows[identity][1])
            for key, holders in self._of_key.items()
            for identity in holders
        ]

    def restore(self, state: list[tuple[Identity, Key, Any]]) -> None:
        """Go on from a snapshot, without telling anything."""
        self._rows.clear()
        self._of_key.clear()
        for identity, key, row in state:
            self._add(identity, key, row)

    def counting(self) -> list[tuple[Key, Any]]:
        """Return each key with the row that counts."""
        return [
            (key, self._rows[next(reversed(holders))][1]) for key, holders in self._of_key.items()
        ]

    def _add(self, identity: Identity, key: Key, row: Any) -> None:
        self._rows[identity] = (key, row)
        self._of_key.setdefault(key, {})[identity] = None
