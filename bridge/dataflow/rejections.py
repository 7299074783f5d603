"""The events that a dataflow could not take in."""

from __future__ import annotations

from bridge.core.events import CdcEvent


class Rejections:
    """Keeps events that have no value until they are taken, and counts them.

    Attributes:
        count: how many there were; part of the state.
    """

    def __init__(self) -> None:
        self._events: list[tuple[CdcEvent, str]] = []
        self.count = 0

    def add(self, rejected: list[tuple[CdcEvent, str]]) -> None:
        """Take note of what the inputs of a dataflow rejected of one event: it counts once."""
        if rejected:
            self._events.append(rejected[0])
            self.count += 1

    def take(self) -> list[tuple[CdcEvent, str]]:
        """Return the events since the last call, with the reason of each."""
        events, self._events = self._events, []
        return events

    def restore(self, count: int) -> None:
        """Go on from a number of rejected events, which were all taken."""
        self._events = []
        self.count = count
