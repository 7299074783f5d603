"""A stream joined with what was the latest of another one at that time."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias, get_args

from bridge.processing.events import StreamEvent
from bridge.processing.joins.how import check_how
from bridge.processing.joins.inputs import Inputs, LateEvent, Side
from bridge.processing.joins.latest import LatestEvents
from bridge.processing.joins.null_keys import is_null
from bridge.processing.joins.result import JoinResult, row_alone
from bridge.processing.joins.stats import JoinStats
from bridge.processing.state.one_piece import check_in_one_piece
from bridge.processing.time import Duration, microseconds

AsOfHow: TypeAlias = Literal["inner", "left"]


class AsOfJoin:
    """Joins each left event to the latest right event of its key that is not after it.

    A right event of the same instant counts as not after it. Of several right events of one
    instant, that with the greatest ``sequence`` is the latest, and the one that came last if that
    is the same too.

    *A row* comes out once the watermark is **greater** than the timestamp of its left event:
    until then a right event that is nearer may still come. So disorder within
    ``out_of_orderness`` does not change an answer. Each left event gives one row at most; without
    a partner it gives none (``inner``) or a row with None on the right (``left``).

    *The watermark* is the lower one of both sides, and *late* is an event whose timestamp is
    lower than it when it comes, as in ``IntervalJoin``. A silent side needs ``advance``.

    *A key that is NULL*, or a tuple with a NULL in it, joins nothing: with ``left`` such a left
    event gives its row at once.

    *Memory* holds the events that the watermark has not passed, and of the right ones that it has
    passed the latest of each key. That one is dropped once it is older than ``tolerance`` for
    every left event that can still come.

    *Order* of the results of one call: that of an event without a key, then by timestamp,
    sequence and arrival of the left event.

    Args:
        how: ``inner``, or ``left`` for left events without a partner too.
        tolerance: how old the right event may be, this length included; microseconds or
            timedelta. None: any age, and the latest event of each key is kept for ever, which
            suits a side with a bounded number of keys.
        name: stands in each result and in its id.
        out_of_orderness: how far behind the latest event of its side an event may come.

    Raises:
        ConfigError: ``how`` is unknown or a duration is negative.
    """

    def __init__(
        self,
        how: AsOfHow = "inner",
        *,
        tolerance: Duration | None = None,
        name: str = "join",
        out_of_orderness: Duration = 0,
    ) -> None:
        check_how(name, how, get_args(AsOfHow))
        self.name = name
        self.pads: frozenset[Side] = frozenset(("left",)) if how == "left" else frozenset()
        self._tolerance = (
            None if tolerance is None else microseconds(tolerance, "tolerance", minimum=0)
        )
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
        return self._process("left", event, moves_time)

    def process_right(self, event: StreamEvent, *, moves_time: bool = True) -> list[JoinResult]:
        """Take an event of the right stream; return the rows that it makes certain.

        Args:
            event: of that stream.
            moves_time: whether it says how far time has come, as one out of a heap of old rows
                does not.

        Raises:
            RetractionRefused: its weight is not 1.
        """
        return self._process("right", event, moves_time)

    def advance(self, watermark: int) -> list[JoinResult]:
        """Move the watermark of both sides; return the rows that this makes certain.

        A watermark lower than the one of a side leaves that side as it is.
        """
        rows = self._kept.join(self.inputs.advance(watermark))
        self._rows += len(rows)
        return rows

    def flush(self) -> list[JoinResult]:
        """Return nothing, as ``IntervalJoin`` does."""
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

    def make_kept(self) -> LatestEvents:
        """Return what the join keeps of its events, empty."""
        return LatestEvents(self.name, self._tolerance, self.pads)

    def _process(self, side: Side, event: StreamEvent, moves_time: bool) -> list[JoinResult]:
        if not self.inputs.admit(side, event):
            return []
        if is_null(event.key):
            return self._without_key(side, event, moves_time)
        self._arrivals += 1
        self._kept.add(side, event, self._arrivals)
        rows = self._kept.join(self.inputs.observe(side, event.timestamp, moves_time=moves_time))
        self._rows += len(rows)
        return rows

    def _without_key(self, side: Side, event: StreamEvent, moves_time: bool) -> list[JoinResult]:
        self.inputs.count_null_key(side)
        rows = [row_alone(self.name, side, event)] if side in self.pads else []
        rows += self._kept.join(self.inputs.observe(side, event.timestamp, moves_time=moves_time))
        self._rows += len(rows)
        return rows
