"""Values in the order of their events."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Any

from bridge.processing.aggregates.errors import Absent
from bridge.processing.aggregates.forms import copied, exact_form
from bridge.processing.aggregates.function import At

_at = itemgetter(0)


class Timeline:
    """Values, sorted by timestamp and sequence; those of one place in the order they came.

    Args:
        earliest: how many to keep, from the start; None for all.
        latest: how many to keep, from the end; None for all.
    """

    __slots__ = ("_earliest", "_entries", "_latest")

    def __init__(self, *, earliest: int | None = None, latest: int | None = None) -> None:
        self._earliest = earliest
        self._latest = latest
        self._entries: list[tuple[At, Any]] = []

    @property
    def entries(self) -> Sequence[tuple[At, Any]]:
        """The values with their places."""
        return self._entries

    def add(self, item: Any, at: At) -> None:
        """Put a value in."""
        entries = self._entries
        if not entries or at >= entries[-1][0]:
            entries.append((at, item))
        else:
            entries.insert(bisect_right(entries, at, key=_at), (at, item))
        self._forget()

    def retract(self, item: Any, at: At) -> None:
        """Take a value out: the one at this place, or else the first that looks the same."""
        entries = self._entries
        form = exact_form(item)
        here = range(bisect_left(entries, at, key=_at), bisect_right(entries, at, key=_at))
        for places in (here, range(len(entries))):
            for place in places:
                if exact_form(entries[place][1]) == form:
                    del entries[place]
                    return
        raise Absent

    def merge(self, other: Timeline) -> None:
        """Put the values of another timeline in; at the same place they come after."""
        self._entries = sorted([*self._entries, *other._entries], key=_at)
        self._forget()

    def dump(self) -> list[Any]:
        """Return a copy as plain data."""
        return [[*at, copied(item)] for at, item in self._entries]

    def load(self, plain: Iterable[Any]) -> None:
        """Put in what ``dump`` copied."""
        self._entries = [
            ((timestamp, sequence), copied(item)) for timestamp, sequence, item in plain
        ]

    def _forget(self) -> None:
        if self._earliest is not None:
            del self._entries[self._earliest :]
        elif self._latest is not None:
            del self._entries[: -self._latest]
