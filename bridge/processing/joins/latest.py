"""What an as-of join keeps: events that time has not passed, and the latest right one of a key."""

from __future__ import annotations

from heapq import heappop, heappush
from typing import Any, Final, NamedTuple

from bridge.processing.events import Key, StreamEvent, normal_key
from bridge.processing.joins.inputs import Side
from bridge.processing.joins.result import JoinResult
from bridge.processing.watermark import END

_PATIENCE: Final = 8
"""This part of the tolerance longer a right event may be kept than it can be a partner."""

_RIGHT: Final = 0
_LEFT: Final = 1


class _Waiting(NamedTuple):
    """An event that the watermark has not passed. At the same instant the right one goes first."""

    timestamp: int
    side: int
    sequence: int
    arrival: int
    event: StreamEvent


class LatestEvents:
    """The events of some keys, or of all.

    Args:
        join: its name.
        tolerance: how old the right event may be, in microseconds; None for any age.
        pads: the sides of which events without a partner give a row, too.
    """

    def __init__(self, join: str, tolerance: int | None, pads: frozenset[Side]) -> None:
        self._join = join
        self._tolerance = tolerance
        # Dropping gives no row and can wait, so that a partition is not loaded for each event.
        self._patience = (tolerance or 0) // _PATIENCE
        self._pads = "left" in pads
        self._waiting: list[_Waiting] = []
        self._latest: dict[Key, StreamEvent] = {}
        # When to look whether the latest event of a key is too old: one entry for each key.
        self._looks: list[tuple[int, int, Key]] = []
        self._looks_made = 0

    @property
    def due(self) -> int:
        """The watermark at which an event is passed, or enough of them are too old."""
        passed = self._waiting[0].timestamp + 1 if self._waiting else END
        return min(passed, self._looks[0][0] + self._patience + 1 if self._looks else END)

    def take(self, item: tuple[Side, StreamEvent, int]) -> list[JoinResult]:
        """Let an event of a side, with the number of its arrival, wait for its time."""
        side, event, arrival = item
        rank = _LEFT if side == "left" else _RIGHT
        waiting = _Waiting(event.timestamp, rank, event.sequence, arrival, event)
        heappush(self._waiting, waiting)
        return []

    def settle(self, watermark: int) -> list[JoinResult]:
        """Go through the events that the watermark has passed, and return their rows.

        They are in the order of timestamp, sequence and arrival of the left event.
        """
        rows = []
        waiting = self._waiting
        while waiting and waiting[0].timestamp < watermark:
            passed = heappop(waiting)
            if passed.side == _RIGHT:
                self._keep_latest(passed.event)
            else:
                partner = self._partner(passed.event)
                if partner is not None or self._pads:
                    rows.append(JoinResult(self._join, passed.event.key, passed.event, partner))
        if self._looks and self._looks[0][0] < watermark:
            self._drop(watermark)
        return rows

    def advance(self, watermark: int, told: list[tuple[tuple[int, ...], Any]]) -> None:
        """Let time pass, and add the rows that it makes certain, each with its place in order."""
        for row in self.settle(watermark):
            assert row.left is not None
            told.append(((row.left.timestamp, row.left.sequence), row))

    def count(self) -> tuple[int, int]:
        """Return how many events are kept of the left and of the right side."""
        left = sum(waiting.side == _LEFT for waiting in self._waiting)
        return left, len(self._waiting) - left + len(self._latest)

    def dump(self) -> dict[str, Any]:
        """Return the events as plain data."""
        return {
            "waiting": [
                (waiting.side, waiting.arrival, tuple(waiting.event))
                for waiting in sorted(self._waiting)
            ],
            "latest": [tuple(event) for event in self._latest.values()],
        }

    def load(self, plain: Any) -> None:
        """Keep what ``dump`` returned, and nothing else."""
        self._waiting = [
            _Waiting(event.timestamp, rank, event.sequence, arrival, event)
            for rank, arrival, fields in plain["waiting"]
            for event in (StreamEvent(*fields),)
        ]  # sorted, as a heap may be
        self._latest, self._looks = {}, []
        for fields in plain["latest"]:
            self._keep_latest(StreamEvent(*fields))

    def _partner(self, left: StreamEvent) -> StreamEvent | None:
        right = self._latest.get(left.key) or self._latest.get(normal_key(left.key))
        if right is None or self._is_too_old(right, left.timestamp):
            return None
        return right

    def _is_too_old(self, right: StreamEvent, at: int) -> bool:
        return self._tolerance is not None and at - right.timestamp > self._tolerance

    def _keep_latest(self, right: StreamEvent) -> None:
        """Let a right event take the place of the one before it."""
        key = right.key
        if key not in self._latest:
            key = normal_key(key)
        if key not in self._latest:
            self._look_again(key, right)
        self._latest[key] = right

    def _look_again(self, key: Key, right: StreamEvent) -> None:
        """Note when the event is going to be too old."""
        if self._tolerance is not None:
            self._looks_made += 1
            heappush(self._looks, (right.timestamp + self._tolerance, self._looks_made, key))

    def _drop(self, watermark: int) -> None:
        """Drop the latest events that are too old for every left event that can still come."""
        looks = self._looks
        while looks and looks[0][0] < watermark:
            _, _, key = heappop(looks)
            right = self._latest[key]
            if self._is_too_old(right, watermark):
                del self._latest[key]
            else:
                self._look_again(key, right)
