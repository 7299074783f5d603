"""The two inputs of a join: their watermarks, their late events, and what was counted of them."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from bridge.processing.events import StreamEvent
from bridge.processing.joins.errors import refuse_retraction
from bridge.processing.time import Duration
from bridge.processing.watermark import BoundedOutOfOrderness

Side: TypeAlias = Literal["left", "right"]


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
        late: events that came too late, of both sides, in the order they came.
    """

    def __init__(self, join: str, out_of_orderness: Duration) -> None:
        self._join = join
        self._out_of_orderness = out_of_orderness
        self._sides = self._fresh_sides()
        self._counts = {
            "left_events": 0,
            "right_events": 0,
            "left_late_events": 0,
            "right_late_events": 0,
            "left_null_keys": 0,
            "right_null_keys": 0,
        }
        self.late: list[StreamEvent] = []
        self.watermark = self._lowest()

    def admit(self, side: Side, event: StreamEvent) -> bool:
        """Count an event and say whether it is in time; if it is not, keep it among the late ones.

        Raises:
            RetractionRefused: the event takes an earlier one back.
        """
        refuse_retraction(self._join, event)
        self._counts[f"{side}_events"] += 1
        if event.timestamp >= self.watermark:
            return True
        self._counts[f"{side}_late_events"] += 1
        self.late.append(event)
        return False

    def count_null_key(self, side: Side) -> None:
        """Count an event that joins nothing because of its key."""
        self._counts[f"{side}_null_keys"] += 1

    def observe(self, side: Side, timestamp: int) -> int:
        """Let an event move the watermark of its side; return the watermark of the join."""
        self._sides[side].observe(timestamp)
        self.watermark = self._lowest()
        return self.watermark

    def advance(self, watermark: int) -> int:
        """Move both sides to at least ``watermark``; return the watermark of the join."""
        for side in self._sides.values():
            side.advance(watermark)
        self.watermark = self._lowest()
        return self.watermark

    def take_late(self) -> list[StreamEvent]:
        """Return the late events since the last call."""
        late, self.late = self.late, []
        return late

    def counts(self) -> dict[str, int]:
        """Return how many events came on each side, and how many of them were late or NULL."""
        return dict(self._counts)

    def snapshot(self) -> dict[str, Any]:
        """Return the state as plain data."""
        return {
            "watermarks": {name: side.current for name, side in self._sides.items()},
            "late": [tuple(event) for event in self.late],
            "counts": dict(self._counts),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what ``snapshot`` returned."""
        self._sides = self._fresh_sides()
        for name, side in self._sides.items():
            side.advance(state["watermarks"][name])
        self.watermark = self._lowest()
        self.late = [StreamEvent(*event) for event in state["late"]]
        self._counts = dict(state["counts"])

    def _fresh_sides(self) -> dict[str, BoundedOutOfOrderness]:
        bound = self._out_of_orderness
        return {"left": BoundedOutOfOrderness(bound), "right": BoundedOutOfOrderness(bound)}

    def _lowest(self) -> int:
        return min(self._sides["left"].current, self._sides["right"].current)
