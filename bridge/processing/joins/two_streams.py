"""What joins of two streams share: one watermark, keys that are NULL, what is late, and the state.

How they differ is in what they keep: which rows an event gives at once, and which ones time makes
certain.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Protocol

from bridge.processing.events import StreamEvent
from bridge.processing.joins.inputs import Inputs, LateEvent, Side
from bridge.processing.joins.null_keys import is_null
from bridge.processing.joins.result import JoinResult, row_alone
from bridge.processing.joins.stats import JoinStats
from bridge.processing.state.one_piece import check_in_one_piece
from bridge.processing.time import Duration


class KeptEvents(Protocol):
    """The events of a join that may still matter."""

    def take(self, item: tuple[Side, StreamEvent, int]) -> list[JoinResult]:
        """Take an event of a side, with the number of its arrival; return its rows."""

    def settle(self, watermark: int) -> list[JoinResult]:
        """Return the rows that the watermark makes certain, and drop what it has passed."""

    def count(self) -> tuple[int, int]:
        """Return how many events are kept of the left and of the right side."""

    def dump(self) -> dict[str, Any]:
        """Return the events as plain data."""

    def load(self, plain: Any) -> None:
        """Keep what ``dump`` returned, and nothing else."""


class TwoStreamJoin(ABC):
    """A join of a left and a right stream.

    Args:
        name: stands in each result and in its id.
        pads: the sides of which events without a partner give a row, too.
        out_of_orderness: how far behind the latest event of its side an event may come.

    Raises:
        ConfigError: the duration is negative.
    """

    def __init__(self, name: str, pads: frozenset[Side], out_of_orderness: Duration) -> None:
        self.name = name
        self.pads = pads
        self.inputs = Inputs(name, out_of_orderness)
        self._kept = self.make_kept()
        self._arrivals = 0
        self._rows = 0

    @abstractmethod
    def make_kept(self) -> KeptEvents:
        """Return what the join keeps of its events, empty."""

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
        """Take an event of the right stream, as ``process_left`` takes one of the left."""
        return self._process("right", event, moves_time)

    def advance(self, watermark: int) -> list[JoinResult]:
        """Move the watermark of both sides; return the rows that this makes certain.

        A watermark lower than the one of a side leaves that side as it is.
        """
        rows = self._kept.settle(self.inputs.advance(watermark))
        self._rows += len(rows)
        return rows

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

    def _process(self, side: Side, event: StreamEvent, moves_time: bool) -> list[JoinResult]:
        if not self.inputs.admit(side, event):
            return []
        if is_null(event.key):
            self.inputs.count_null_key(side)
            rows = [row_alone(self.name, side, event)] if side in self.pads else []
        else:
            self._arrivals += 1
            rows = self._kept.take((side, event, self._arrivals))
        watermark = self.inputs.observe(side, event.timestamp, moves_time=moves_time)
        rows += self._kept.settle(watermark)
        self._rows += len(rows)
        return rows
