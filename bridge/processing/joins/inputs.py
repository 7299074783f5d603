"""The two inputs of a join: their watermarks, their late events, and what was counted of them."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from bridge.processing.events import StreamEvent
from bridge.processing.joins.errors import refuse_retraction
from bridge.processing.joins.stats import InputStats
from bridge.processing.time import Duration
from bridge.processing.watermark import BoundedOutOfOrderness

Side: TypeAlias = Literal["left", "right"]

LateEvent: TypeAlias = tuple[Side, StreamEvent]
"""An event that came too late, and on which side."""


class Inputs:
    """Lets the events of both sides in, as long as they are not late.

    Each side has a watermark of its own; that of the join is the lower one. An event is late if
    its timestamp is lower than the watermark of the *join* when it comes, so that a side that is
    ahead does not lose events that the other one still waits for.

    Args:
        join: its name, for errors.
        out_of_orderness: how far behind the latest event of its side an event may come.

    Attributes:
        watermark: that of the join, in microseconds since the Unix epoch.

    Raises:
        ConfigError: ``out_of_orderness`` is negative.
    """

    def __init__(self, join: str, out_of_orderness: Duration) -> None:
        self._join = join
        self._left = _Input(out_of_orderness)
        self._right = _Input(out_of_orderness)
        self._late: list[LateEvent] = []
        self.watermark = self._lowest()

    def admit(self, side: Side, event: StreamEvent) -> bool:
        """Count an event and say whether it is in time; if it is not, keep it among the late ones.

        Raises:
            RetractionRefused: the event takes an earlier one back.
        """
        if event.weight != 1:
            refuse_retraction(self._join, event)
        taking = self._of(side)
        taking.events += 1
        if event.timestamp >= self.watermark:
            return True
        taking.late += 1
        self._late.append((side, event))
        return False

    def count_null_key(self, side: Side) -> None:
        """Count an event that joins nothing because of its key."""
        self._of(side).null_keys += 1

    def observe(self, side: Side, timestamp: int, *, moves_time: bool = True) -> int:
        """Let an event move the watermark of its side; return the watermark of the join."""
        if moves_time:
            time = self._of(side).time
            before = time.current
            if time.observe(timestamp) != before:
                self.watermark = self._lowest()
        return self.watermark

    def advance(self, watermark: int) -> int:
        """Move both sides to at least ``watermark``; return the watermark of the join."""
        self._left.time.advance(watermark)
        self._right.time.advance(watermark)
        self.watermark = self._lowest()
        return self.watermark

    def take_late(self) -> list[LateEvent]:
        """Return the late events since the last call, in the order they came."""
        late, self._late = self._late, []
        return late

    def stats(self, side: Side, *, kept: int) -> InputStats:
        """Return the figures of a side that keeps so many events."""
        of = self._of(side)
        return InputStats(of.events, of.late, of.null_keys, kept)

    def snapshot(self) -> dict[str, Any]:
        """Return the state as plain data."""
        return {
            "left": self._left.snapshot(),
            "right": self._right.snapshot(),
            "late": [(side, tuple(event)) for side, event in self._late],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what ``snapshot`` returned."""
        self._left.restore(state["left"])
        self._right.restore(state["right"])
        self._late = [(side, StreamEvent(*event)) for side, event in state["late"]]
        self.watermark = self._lowest()

    def _of(self, side: Side) -> _Input:
        return self._left if side == "left" else self._right

    def _lowest(self) -> int:
        return min(self._left.time.current, self._right.time.current)


class _Input:
    """One side."""

    def __init__(self, out_of_orderness: Duration) -> None:
        self.time = BoundedOutOfOrderness(out_of_orderness)
        self.events = self.late = self.null_keys = 0

    def snapshot(self) -> tuple[int, int, int, int]:
        return (self.time.current, self.events, self.late, self.null_keys)

    def restore(self, state: tuple[int, int, int, int]) -> None:
        watermark, self.events, self.late, self.null_keys = state
        self.time = BoundedOutOfOrderness(self.time.bound)
        self.time.advance(watermark)
