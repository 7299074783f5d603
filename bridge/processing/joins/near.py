"""What an interval join keeps: the events of both sides that may still find a partner."""

from __future__ import annotations

from operator import attrgetter
from typing import Any, Final

from bridge.processing.events import StreamEvent
from bridge.processing.joins.buffer import Buffer
from bridge.processing.joins.inputs import Side
from bridge.processing.joins.result import JoinResult
from bridge.processing.watermark import END

_PATIENCE: Final = 8
"""This part of the interval longer an event may be kept than it can find partners."""

_timestamp: Final = attrgetter("timestamp")


class NearEvents:
    """The events of some keys, or of all.

    Args:
        join: its name.
        before: how long before the left event the right one may be, in microseconds.
        after: how long after the left event the right one may be.
        pads: the sides of which events without a partner give a row, too.

    Attributes:
        left: the events of the left side.
        right: those of the right side.
    """

    def __init__(self, join: str, before: int, after: int, pads: frozenset[Side]) -> None:
        self._join = join
        self._before = before
        self._after = after
        self.left = Buffer(after, watch_lonely="left" in pads)
        self.right = Buffer(before, watch_lonely="right" in pads)
        # Dropping what gives no row can wait, so that a partition is not loaded for each event.
        patience = (before + after) // _PATIENCE
        self._left_patience = 0 if "left" in pads else patience
        self._right_patience = 0 if "right" in pads else patience

    @property
    def due(self) -> int:
        """The watermark at which there is a row to tell, or enough to drop."""
        left = self.left.due + self._left_patience
        return min(left, self.right.due + self._right_patience, END - 1) + 1

    def take(self, item: tuple[Side, StreamEvent, int]) -> list[JoinResult]:
        """Take an event of a side, with the number of its arrival; return its pairs."""
        side, event, arrival = item
        at = event.timestamp
        if side == "left":
            partners = self.right.meet(event.key, at - self._before, at + self._after)
            self.left.add(event, arrival, lonely=not partners)
            return [JoinResult(self._join, event.key, event, partner) for partner in partners]
        partners = self.left.meet(event.key, at - self._after, at + self._before)
        self.right.add(event, arrival, lonely=not partners)
        return [JoinResult(self._join, partner.key, partner, event) for partner in partners]

    def settle(self, watermark: int) -> list[JoinResult]:
        """Return the rows of what stays alone, and drop what no event can reach any more."""
        if watermark > self.left.due or watermark > self.right.due:
            return self._drop(watermark)
        return []

    def _drop(self, watermark: int) -> list[JoinResult]:
        # The rows are in the order of timestamp, left before right, sequence and arrival.
        lefts, rights = self.left.drop(watermark), self.right.drop(watermark)
        alone = [JoinResult(self._join, event.key, event, None) for event in lefts]
        alone += [JoinResult(self._join, event.key, None, event) for event in rights]
        return sorted(alone, key=_timestamp)  # at a tie the left stays first

    def advance(self, watermark: int, told: list[tuple[tuple[int, ...], Any]]) -> None:
        """Let time pass, and add the rows of what stayed alone, each with its place in order."""
        for row in self._drop(watermark):
            event = row.left or row.right
            assert event is not None
            told.append(((event.timestamp, row.left is None, event.sequence), row))

    def count(self) -> tuple[int, int]:
        """Return how many events are kept of the left and of the right side."""
        return len(self.left), len(self.right)

    def dump(self) -> dict[str, Any]:
        """Return the events as plain data."""
        return {"left": self.left.snapshot(), "right": self.right.snapshot()}

    def load(self, plain: Any) -> None:
        """Keep what ``dump`` returned, and nothing else."""
        self.left.restore(plain["left"])
        self.right.restore(plain["right"])
