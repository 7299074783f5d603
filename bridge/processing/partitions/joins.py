"""Joins of two streams, of which only a part is in memory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from bridge.processing.events import StreamEvent
from bridge.processing.joins import AsOfJoin, IntervalJoin, JoinResult, JoinStats
from bridge.processing.joins.inputs import LateEvent, Side
from bridge.processing.joins.null_keys import is_null
from bridge.processing.joins.result import row_alone
from bridge.processing.partitions.keys import partition_of
from bridge.processing.partitions.memory import PartitionMemory
from bridge.processing.partitions.spread import Spread

StreamJoin: TypeAlias = "IntervalJoin | AsOfJoin | PartitionedJoin"

_LISTS: Final = ("left", "right", "waiting", "latest")
"""What a state in one piece has of events; each kind of join has two of these."""


class PartitionedJoin:
    """Does what a join does, with its keys spread over partitions, which need not be in memory.

    Events are gathered until ``flush``, so that each partition is asked for once: the larger the
    batches between two calls are, the less is loaded and saved. The rows have the ids and the
    order that they have without partitions, however events are cut into batches; only those of
    different keys that the same watermark makes certain, and whose events share timestamp and
    sequence, come in the order of the partitions.

    A snapshot says what the partitions are, and holds nothing of what is in them: see
    ``PartitionedProcessor``. It may be restored from the snapshot of the join in one piece, too.

    Args:
        join: whose settings it takes over, without any events.
        memory: which may be shared with other operators.
        state_name: no other operator that shares the memory has it.
    """

    def __init__(
        self, join: IntervalJoin | AsOfJoin, *, memory: PartitionMemory, state_name: str
    ) -> None:
        self.name = join.name
        self._pads = join.pads
        self._inputs = join.inputs
        self._spread = Spread(memory, state_name, join.make_kept)
        self._arrivals = 0
        self._rows = 0

    def process_left(self, event: StreamEvent, *, moves_time: bool = True) -> list[JoinResult]:
        """Take an event of the left stream, as the join does; its rows come with ``flush``."""
        return self._process("left", event, moves_time)

    def process_right(self, event: StreamEvent, *, moves_time: bool = True) -> list[JoinResult]:
        """Take an event of the right stream, as the join does; its rows come with ``flush``."""
        return self._process("right", event, moves_time)

    def advance(self, watermark: int) -> list[JoinResult]:
        """Move the watermark of both sides; the rows come with ``flush``."""
        self._spread.end_step(self._inputs.advance(watermark))
        return []

    def flush(self) -> list[JoinResult]:
        """Return the rows that came of all calls since the last one."""
        rows = [row for _, row in self._spread.run()]
        self._rows += len(rows)
        return rows

    def take_late(self) -> list[LateEvent]:
        """Return the events that came too late since the last call, each with its side."""
        return self._inputs.take_late()

    def get_stats(self) -> JoinStats:
        """Return figures, as the join does, without loading anything."""
        left, right = self._spread.counts()
        return JoinStats(
            left=self._inputs.stats("left", kept=left),
            right=self._inputs.stats("right", kept=right),
            results=self._rows,
            watermark=self._inputs.watermark,
        )

    def snapshot(self) -> dict[str, Any]:
        """Return where the partitions are, and the rest of the state; ``flush`` comes before."""
        return {
            "inputs": self._inputs.snapshot(),
            "partitions": self._spread.describe(),
            "arrivals": self._arrivals,
            "results": self._rows,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what ``snapshot`` returned, also that of the join in one piece."""
        self._inputs.restore(state["inputs"])
        self._arrivals = state["arrivals"]
        self._rows = state["results"]
        if "partitions" in state:
            self._spread.restore(state["partitions"], self._inputs.watermark)
        else:
            self._spread.load(_split(state).items(), self._inputs.watermark)

    def _process(self, side: Side, event: StreamEvent, moves_time: bool) -> list[JoinResult]:
        if not self._inputs.admit(side, event):
            return []
        if is_null(event.key):
            self._inputs.count_null_key(side)
            if side in self._pads:
                self._spread.answer(row_alone(self.name, side, event))
        else:
            self._arrivals += 1
            self._spread.put(event.key, (side, event, self._arrivals))
        self._spread.end_step(self._inputs.observe(side, event.timestamp, moves_time=moves_time))
        return []


def _split(state: Mapping[str, Any]) -> dict[int, dict[str, list[Any]]]:
    """Return what each partition holds of a state in one piece."""
    names = [name for name in _LISTS if name in state]
    parts: defaultdict[int, dict[str, list[Any]]]
    parts = defaultdict(lambda: {name: [] for name in names})
    for name in names:
        for kept in state[name]:
            fields = kept if name == "latest" else kept[-1]
            parts[partition_of(fields[0])][name].append(kept)
    return parts
