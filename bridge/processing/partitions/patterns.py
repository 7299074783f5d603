"""A pattern matcher of which only a part is in memory."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from bridge.processing.events import StreamEvent
from bridge.processing.partitions.keys import partition_of
from bridge.processing.partitions.memory import PartitionMemory
from bridge.processing.partitions.spread import Spread
from bridge.processing.patterns.definition import Pattern
from bridge.processing.patterns.matcher import PatternMatcher
from bridge.processing.patterns.result import PatternMatch
from bridge.processing.patterns.state import dump_runs, load_runs
from bridge.processing.patterns.stats import PatternStats
from bridge.processing.time import Duration

_step: Final = itemgetter(0)


class PartitionedMatcher(PatternMatcher):
    """A ``PatternMatcher`` whose keys are spread over partitions, which need not be in memory.

    Events are gathered until ``flush``, so that each partition is asked for once: the larger the
    batches between two calls are, the less is loaded and saved. Matches and what timed out have
    the ids and the order that they have without partitions, however events are cut into batches;
    only those of different keys whose events share timestamp and sequence come in the order of
    the partitions.

    A snapshot says what the partitions are, and holds nothing of what is in them: see
    ``PartitionedProcessor``. It may be restored from that of a ``PatternMatcher``, too.

    Args:
        pattern: as in ``PatternMatcher``; time is event time.
        memory: which may be shared with other operators.
        state_name: no other operator that shares the memory has it.
        name: as in ``PatternMatcher``.
        out_of_orderness: as in ``PatternMatcher``.
    """

    def __init__(
        self,
        pattern: Pattern,
        *,
        memory: PartitionMemory,
        state_name: str,
        name: str = "pattern",
        out_of_orderness: Duration = 0,
    ) -> None:
        super().__init__(pattern, name=name, out_of_orderness=out_of_orderness)
        self._spread = Spread(memory, state_name, self._make_search)

    def process_event(self, event: StreamEvent, *, moves_time: bool = True) -> list[PatternMatch]:
        """Take an event, as ``PatternMatcher`` does; what it gives comes with ``flush``."""
        if self._admit(event):
            self._arrivals += 1
            self._spread.put(event.key, (event, self._arrivals))
            if moves_time:
                self._watermark.observe(event.timestamp)
            self._spread.end_step(self._watermark.current)
        return []

    def advance(self, watermark: int) -> list[PatternMatch]:
        """Let time pass, as ``PatternMatcher`` does; what that gives comes with ``flush``."""
        self._spread.end_step(self._watermark.advance(watermark))
        return []

    def flush(self) -> Iterator[list[PatternMatch]]:
        """Yield the matches of each call since the last time that gave something, in turn.

        What timed out with them can be taken before the next are asked for.

        Raises:
            PatternFailed: as for ``PatternMatcher.process_event``.
        """
        for _, answers in groupby(self._spread.run(), key=_step):
            yield self._sort_out([((), answer) for _, answer in answers])

    def get_stats(self) -> PatternStats:
        """Return figures, as ``PatternMatcher`` does, without loading anything."""
        waiting, keys, partial_matches = self._spread.counts()
        return self._stats(waiting, keys, partial_matches)

    def snapshot(self) -> dict[str, Any]:
        """Return where the partitions are, and the rest of the state; ``flush`` comes before."""
        return {**self._progress(), "partitions": self._spread.describe()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a snapshot, also from that of a ``PatternMatcher``.

        Raises:
            ConfigError: the snapshot is of a pattern with other steps.
        """
        self._take_over(state)
        if "partitions" in state:
            self._spread.restore(state["partitions"], self._watermark.current)
        else:
            self._spread.load(self._split(state).items(), self._watermark.current)

    def _split(self, state: dict[str, Any]) -> dict[int, dict[str, Any]]:
        """Return what each partition holds of a state in one piece."""
        waiting: dict[int, list[Any]] = {}
        for arrival, event in state["waiting"]:
            waiting.setdefault(partition_of(event[0]), []).append((arrival, event))
        runs: dict[int, dict[Any, Any]] = {}
        for key, held in load_runs(state["runs"], self._automaton).items():
            runs.setdefault(partition_of(key), {})[key] = held
        return {
            number: {
                "looked_at": state["looked_at"],
                "waiting": waiting.get(number, []),
                "runs": dump_runs(runs.get(number, {})),
            }
            for number in waiting.keys() | runs.keys()
        }
