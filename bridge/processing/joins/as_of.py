"""A stream joined with what was the latest of another one at that time."""

from __future__ import annotations

from heapq import heappop, heappush
from typing import Any, Final, Literal, NamedTuple, TypeAlias, get_args

from bridge.processing.events import Key, StreamEvent, normal_key
from bridge.processing.joins.how import check_how
from bridge.processing.joins.inputs import Inputs, Side
from bridge.processing.joins.null_keys import is_null
from bridge.processing.joins.result import JoinResult
from bridge.processing.joins.stats import JoinStats
from bridge.processing.time import Duration, microseconds

AsOfHow: TypeAlias = Literal["inner", "left"]

_RIGHT: Final = 0
_LEFT: Final = 1


class _Waiting(NamedTuple):
    """An event that the watermark has not passed. At the same instant the right one goes first."""

    timestamp: int
    side: int
    sequence: int
    arrival: int
    event: StreamEvent


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
        self._pads = how == "left"
        self._tolerance = (
            None if tolerance is None else microseconds(tolerance, "tolerance", minimum=0)
        )
        self._inputs = Inputs(name, out_of_orderness)
        self._waiting: list[_Waiting] = []
        self._latest: dict[Key, StreamEvent] = {}
        # When to look whether the latest event of a key is too old: one entry for each key.
        self._looks: list[tuple[int, int, Key]] = []
        self._looks_made = 0
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
        return self._process("left", _LEFT, event, moves_time)

    def process_right(self, event: StreamEvent, *, moves_time: bool = True) -> list[JoinResult]:
        """Take an event of the right stream; return the rows that it makes certain.

        Args:
            event: of that stream.
            moves_time: whether it says how far time has come, as one out of a heap of old rows
                does not.

        Raises:
            RetractionRefused: its weight is not 1.
        """
        return self._process("right", _RIGHT, event, moves_time)

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
        left = sum(waiting.side == _LEFT for waiting in self._waiting)
        right = len(self._waiting) - left + len(self._latest)
        return JoinStats(
            left=self._inputs.stats("left", kept=left),
            right=self._inputs.stats("right", kept=right),
            results=self._rows,
            watermark=self._inputs.watermark,
        )

    def snapshot(self) -> dict[str, Any]:
        """Return the state as plain data."""
        return {
            "inputs": self._inputs.snapshot(),
            "waiting": [
                (waiting.side, waiting.arrival, tuple(waiting.event))
                for waiting in sorted(self._waiting)
            ],
            "latest": [tuple(event) for event in self._latest.values()],
            "arrivals": self._arrivals,
            "results": self._rows,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what ``snapshot`` of a join with the same settings returned."""
        self._inputs.restore(state["inputs"])
        self._arrivals = state["arrivals"]
        self._rows = state["results"]
        self._waiting = [
            _waiting(side, arrival, StreamEvent(*fields))
            for side, arrival, fields in state["waiting"]
        ]
        self._latest, self._looks = {}, []
        for fields in state["latest"]:
            self._keep_latest(StreamEvent(*fields))

    def _process(
        self, side: Side, rank: int, event: StreamEvent, moves_time: bool
    ) -> list[JoinResult]:
        if not self._inputs.admit(side, event):
            return []
        rows = []
        if is_null(event.key):
            self._inputs.count_null_key(side)
            if self._pads and side == "left":
                rows.append(JoinResult(self.name, event.key, event, None))
        else:
            self._arrivals += 1
            heappush(self._waiting, _waiting(rank, self._arrivals, event))
        watermark = self._inputs.observe(side, event.timestamp, moves_time=moves_time)
        return self._out(rows, watermark)

    def _out(self, rows: list[JoinResult], watermark: int) -> list[JoinResult]:
        """Go through the events that the watermark has passed, and return the rows with them."""
        waiting = self._waiting
        while waiting and waiting[0].timestamp < watermark:
            passed = heappop(waiting)
            if passed.side == _RIGHT:
                self._keep_latest(passed.event)
            else:
                partner = self._partner(passed.event)
                if partner is not None or self._pads:
                    rows.append(JoinResult(self.name, passed.event.key, passed.event, partner))
        self._drop(watermark)
        self._rows += len(rows)
        return rows

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


def _waiting(side: int, arrival: int, event: StreamEvent) -> _Waiting:
    return _Waiting(event.timestamp, side, event.sequence, arrival, event)
