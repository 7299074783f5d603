"""Two streams joined where their events are near each other in time."""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias, get_args

from bridge.processing.events import StreamEvent
from bridge.processing.joins.how import check_how
from bridge.processing.joins.inputs import Inputs, LateEvent, Side
from bridge.processing.joins.near import NearEvents
from bridge.processing.joins.null_keys import is_null
from bridge.processing.joins.result import JoinResult, row_alone
from bridge.processing.joins.stats import JoinStats
from bridge.processing.state.one_piece import check_in_one_piece
from bridge.processing.time import Duration, microseconds

IntervalHow: TypeAlias = Literal["inner", "left", "right", "full"]

_PADS: Final[dict[IntervalHow, frozenset[Side]]] = {
    "inner": frozenset(),
    "left": frozenset(("left",)),
    "right": frozenset(("right",)),
    "full": frozenset(("left", "right")),
}


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
        self.pads: frozenset[Side] = _PADS[how]
        self.inputs = Inputs(name, out_of_orderness)
        self._kept = self.make_kept()
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
        if not self.inputs.admit("left", event):
            return []
        if is_null(event.key):
            return self._without_key("left", event, moves_time)
        self._arrivals += 1
        rows = self._kept.take_left(event, self._arrivals)
        watermark = self.inputs.observe("left", event.timestamp, moves_time=moves_time)
        return self._out(rows, watermark)

    def process_right(self, event: StreamEvent, *, moves_time: bool = True) -> list[JoinResult]:
        """Take an event of the right stream; return the rows that it makes certain.

        Args:
            event: of that stream.
            moves_time: whether it says how far time has come, as one out of a heap of old rows
                does not.

        Raises:
            RetractionRefused: its weight is not 1.
        """
        if not self.inputs.admit("right", event):
            return []
        if is_null(event.key):
            return self._without_key("right", event, moves_time)
        self._arrivals += 1
        rows = self._kept.take_right(event, self._arrivals)
        watermark = self.inputs.observe("right", event.timestamp, moves_time=moves_time)
        return self._out(rows, watermark)

    def advance(self, watermark: int) -> list[JoinResult]:
        """Move the watermark of both sides; return the rows that this makes certain.

        A watermark lower than the one of a side leaves that side as it is.
        """
        return self._out([], self.inputs.advance(watermark))

    def flush(self) -> list[JoinResult]:
        """Return nothing: rows come with the call that makes them certain.

        A join in partitions gathers its events instead, and gives their rows here.
        """
        return []

    def take_late(self) -> list[LateEvent]:
        """Return the events that came too late since the last call, each with its side."""
        return self.inputs.take_late()

    def get_stats(self) -> JoinStats:
        """Return what was counted since the start, and how much is kept now."""
        left, right = self._kept.count()
        return JoinStats(
            left=self.inputs.stats("left", kept=left),
            right=self.inputs.stats("right", kept=right),
            results=self._rows,
            watermark=self.inputs.watermark,
        )

    def snapshot(self) -> dict[str, Any]:
        """Return the state as plain data."""
        return {
            "inputs": self.inputs.snapshot(),
            **self._kept.dump(),
            "arrivals": self._arrivals,
            "results": self._rows,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what ``snapshot`` of a join with the same settings returned.

        Raises:
            EnvironmentProblem: it is that of a join in partitions, and holds no events.
        """
        check_in_one_piece(f"join {self.name!r}", state)
        self.inputs.restore(state["inputs"])
        self._kept.load(state)
        self._arrivals = state["arrivals"]
        self._rows = state["results"]

    def make_kept(self) -> NearEvents:
        """Return what the join keeps of its events, empty."""
        return NearEvents(self.name, self._before, self._after, self.pads)

    def _without_key(self, side: Side, event: StreamEvent, moves_time: bool) -> list[JoinResult]:
        self.inputs.count_null_key(side)
        rows = [row_alone(self.name, side, event)] if side in self.pads else []
        watermark = self.inputs.observe(side, event.timestamp, moves_time=moves_time)
        return self._out(rows, watermark)

    def _out(self, rows: list[JoinResult], watermark: int) -> list[JoinResult]:
        """Return the rows and those that are certain now that the watermark is there."""
        if watermark > self._kept.left.due or watermark > self._kept.right.due:
            rows += self._kept.drop(watermark)
        self._rows += len(rows)
        return rows
