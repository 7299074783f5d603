"""Two streams joined where their events are near each other in time."""

from __future__ import annotations

from operator import attrgetter
from typing import Any, Literal, TypeAlias, get_args

from bridge.processing.events import StreamEvent
from bridge.processing.joins.buffer import Buffer
from bridge.processing.joins.how import check_how
from bridge.processing.joins.inputs import Inputs, Side
from bridge.processing.joins.null_keys import is_null
from bridge.processing.joins.result import JoinResult
from bridge.processing.joins.stats import JoinStats
from bridge.processing.time import Duration, microseconds

IntervalHow: TypeAlias = Literal["inner", "left", "right", "full"]


class IntervalJoin:
    """Joins a left event at ``t`` to every right event of its key in ``[t - before, t + after]``.

    Both ends belong to the interval. Seen from a right event at ``u``, the left ones are those in
    ``[u - after, u + before]``.

    *A pair* comes out as soon as its second event is there, whatever the watermark is.

    *A row without a partner* comes out once the watermark proves that none can come. An event
    with the timestamp of the watermark may still come, so that is when the watermark is
    **greater** than the end of the interval: ``t + after`` for a left event, ``u + before`` for
    a right one. From that moment on no event that is not late reaches it, which is also when it is
    dropped from memory, with or without partners.

    *The watermark* is the lower one of both sides: each follows the greatest timestamp of its own
    events, less ``out_of_orderness``, and ``advance`` moves both. A side that is silent therefore
    holds everything back, until ``advance`` tells how late it is.

    *Late* is an event whose timestamp is lower than that watermark when it comes. It joins
    nothing, not even events that are still there, so that results do not depend on what memory
    happens to hold; ``take_late`` has it.

    *A key that is NULL*, or a tuple with a NULL in it, joins nothing. Such an event gives its row
    without a partner at once if its side keeps those, and nothing otherwise.

    *Order* of the results of one call: the pairs of the event, by timestamp, sequence and arrival
    of the other event; then rows without a partner, by timestamp, left before right, sequence,
    arrival.

    Events are told apart by key, timestamp and ``sequence``: those of one side that share all
    three give results with the same id.

    Args:
        how: which events come out without a partner too: none, those of the ``left``, those of
            the ``right``, or all (``full``).
        before: how long before the left event the right one may be; microseconds or timedelta.
        after: how long after the left event the right one may be. With both 0, which is what is
            taken if they are not given, only events of the same instant join.
        name: stands in each result and in its id.
        out_of_orderness: how far behind the latest event of its side an event may come.

    Raises:
        ConfigError: ``how`` is unknown or a duration is negative.
    """

    def __init__(
        self,
        how: IntervalHow = "inner",
        *,
        before: Duration = 0,
        after: Duration = 0,
        name: str = "join",
        out_of_orderness: Duration = 0,
    ) -> None:
        check_how(name, how, get_args(IntervalHow))
        self.name = name
        self._before = microseconds(before, "before", minimum=0)
        self._after = microseconds(after, "after", minimum=0)
        self._pads = {"left": how in ("left", "full"), "right": how in ("right", "full")}
        self._inputs = Inputs(name, out_of_orderness)
        self._left = Buffer(self._after, watch_lonely=self._pads["left"])
        self._right = Buffer(self._before, watch_lonely=self._pads["right"])
        self._arrivals = 0
        self._rows = 0

    def process_left(self, event: StreamEvent, *, moves_time: bool = True) -> list[JoinResult]:
        """Take an event of the left stream; return the rows that it makes certain.

        Args:
            event: of that stream.
            moves_time: whether it says how far time has come, as one out of a heap of old rows
                does not.

        Raises:
            RetractionRefused: its weight is not 1.
        """
        if not self._inputs.admit("left", event):
            return []
        if is_null(event.key):
            return self._without_key("left", event, moves_time)
        at = event.timestamp
        partners = self._right.meet(event.key, at - self._before, at + self._after)
        self._arrivals += 1
        self._left.add(event, self._arrivals, lonely=not partners)
        rows = [JoinResult(self.name, event.key, event, partner) for partner in partners]
        return self._out(rows, self._inputs.observe("left", at, moves_time=moves_time))

    def process_right(self, event: StreamEvent, *, moves_time: bool = True) -> list[JoinResult]:
        """Take an event of the right stream; return the rows that it makes certain.

        Args:
            event: of that stream.
            moves_time: whether it says how far time has come, as one out of a heap of old rows
                does not.

        Raises:
            RetractionRefused: its weight is not 1.
        """
        if not self._inputs.admit("right", event):
            return []
        if is_null(event.key):
            return self._without_key("right", event, moves_time)
        at = event.timestamp
        partners = self._left.meet(event.key, at - self._after, at + self._before)
        self._arrivals += 1
        self._right.add(event, self._arrivals, lonely=not partners)
        rows = [JoinResult(self.name, partner.key, partner, event) for partner in partners]
        return self._out(rows, self._inputs.observe("right", at, moves_time=moves_time))

    def advance(self, watermark: int) -> list[JoinResult]:
        """Move the watermark of both sides; return the rows that this makes certain.

        A watermark lower than the one of a side leaves that side as it is.
        """
        return self._out([], self._inputs.advance(watermark))

    def take_late(self) -> list[StreamEvent]:
        """Return the events that came too late, of both sides, since the last call."""
        return self._inputs.take_late()

    def get_stats(self) -> JoinStats:
        """Return what was counted since the start, and how much is kept now."""
        return JoinStats(
            left=self._inputs.stats("left", kept=len(self._left)),
            right=self._inputs.stats("right", kept=len(self._right)),
            results=self._rows,
            watermark=self._inputs.watermark,
        )

    def snapshot(self) -> dict[str, Any]:
        """Return the state as plain data."""
        return {
            "inputs": self._inputs.snapshot(),
            "left": self._left.snapshot(),
            "right": self._right.snapshot(),
            "arrivals": self._arrivals,
            "results": self._rows,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what ``snapshot`` of a join with the same settings returned."""
        self._inputs.restore(state["inputs"])
        self._left.restore(state["left"])
        self._right.restore(state["right"])
        self._arrivals = state["arrivals"]
        self._rows = state["results"]

    def _without_key(self, side: Side, event: StreamEvent, moves_time: bool) -> list[JoinResult]:
        self._inputs.count_null_key(side)
        rows = [self._alone(side, event)] if self._pads[side] else []
        watermark = self._inputs.observe(side, event.timestamp, moves_time=moves_time)
        return self._out(rows, watermark)

    def _out(self, rows: list[JoinResult], watermark: int) -> list[JoinResult]:
        """Return the rows and those that are certain now that the watermark is there."""
        if watermark > self._left.due or watermark > self._right.due:
            alone = [self._alone("left", event) for event in self._left.drop(watermark)]
            alone += [self._alone("right", event) for event in self._right.drop(watermark)]
            rows += sorted(alone, key=attrgetter("timestamp"))  # at a tie the left stays first
        self._rows += len(rows)
        return rows

    def _alone(self, side: Side, event: StreamEvent) -> JoinResult:
        if side == "left":
            return JoinResult(self.name, event.key, event, None)
        return JoinResult(self.name, event.key, None, event)
