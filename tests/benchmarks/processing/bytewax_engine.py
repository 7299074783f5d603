"""The jobs in Bytewax, as its documentation writes such jobs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.inputs import DynamicSource, StatelessSourcePartition
from bytewax.operators.windowing import (
    EventClock,
    SessionWindower,
    SlidingWindower,
    TumblingWindower,
    fold_window,
)
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.testing import run_main

from tests.benchmarks.processing.answers import Answer
from tests.benchmarks.processing.jobs import DISORDER, GAP, MINUTE, SLIDE, START, Job, Load, rows

Event = tuple[str, tuple[datetime, int, bool]]
"""Key, and time, amount and side."""

_BATCH: Final = 1000
_MICROSECOND: Final = timedelta(microseconds=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ALIGNED: Final = _EPOCH + START * _MICROSECOND


class Bytewax:
    """Runs a dataflow in the calling thread, with one worker and no recovery.

    Its watermark also follows the clock of the machine; that stands still here, or events would be
    late on a slow one. Values are folded as they come, which is quicker than in order of time, and
    comes to the same here.
    """

    def prepare(self, load: Load) -> list[list[Event]]:
        events = [
            (row.key, (_EPOCH + row.timestamp * _MICROSECOND, row.amount, row.left))
            for row in rows(load)
        ]
        return [events[place : place + _BATCH] for place in range(0, len(events), _BATCH)]

    def run(
        self, load: Load, events: list[list[Event]], take: Callable[[Sequence[Any]], None]
    ) -> None:
        flow = Dataflow("benchmark")
        stream = op.input("in", flow, _Source(events))
        op.output("out", _JOBS[load.job](stream), _Sink(take))
        run_main(flow)

    def answers(self, load: Load, results: Sequence[Any]) -> Iterable[Answer]:
        for key, (window, value) in results:
            if load.job is Job.JOIN:
                yield (key, window, value)
            elif load.job is Job.SESSION:
                yield (key, value)
            else:
                step = SLIDE if load.job is Job.SLIDING else MINUTE
                yield (key, START + window * step, value)


def _tumbling(stream: Any) -> Any:
    return _counted(stream, TumblingWindower(_td(MINUTE), _ALIGNED))


def _session(stream: Any) -> Any:
    return _counted(stream, SessionWindower(_td(GAP)))


def _counted(stream: Any, windower: Any) -> Any:
    return fold_window(
        "count",
        stream,
        _clock(),
        windower,
        lambda: 0,
        lambda count, value: count + 1,
        lambda one, other: one + other,
        ordered=False,
    ).down


def _sliding(stream: Any) -> Any:
    sums = fold_window(
        "sums",
        stream,
        _clock(),
        SlidingWindower(_td(MINUTE), _td(SLIDE), _ALIGNED),
        lambda: (0, 0),
        lambda state, value: (state[0] + value[1], state[1] + 1),
        lambda one, other: (one[0] + other[0], one[1] + other[1]),
        ordered=False,
    )
    return op.map_value("mean", sums.down, lambda found: (found[0], found[1][0] / found[1][1]))


def _join(stream: Any) -> Any:
    """Join the events of a minute: there is no operator for events near each other.

    ``join_window`` wants two streams, which lose their common order on the way.
    """

    def folded(sides: tuple[list[int], list[int]], value: Any) -> tuple[list[int], list[int]]:
        sides[0 if value[2] else 1].append(value[1])
        return sides

    def pairs(found: Any) -> Iterator[tuple[int, int]]:
        _, (lefts, rights) = found
        return ((left, right) for left in lefts for right in rights)

    sides = fold_window(
        "sides",
        stream,
        _clock(),
        TumblingWindower(_td(MINUTE), _ALIGNED),
        lambda: ([], []),
        folded,
        lambda one, other: (one[0] + other[0], one[1] + other[1]),
        ordered=False,
    )
    return op.flat_map_value("pairs", sides.down, pairs)


_JOBS: Final[dict[Job, Callable[[Any], Any]]] = {
    Job.TUMBLING: _tumbling,
    Job.SLIDING: _sliding,
    Job.SESSION: _session,
    Job.JOIN: _join,
}


def _clock() -> EventClock[Any]:
    return EventClock(
        lambda value: value[0],
        _td(DISORDER),
        now_getter=lambda: _EPOCH,
        to_system_utc=lambda timestamp: None,
    )


def _td(microseconds: int) -> timedelta:
    return microseconds * _MICROSECOND


class _Source(DynamicSource[Event]):
    def __init__(self, batches: list[list[Event]]) -> None:
        self._batches = batches

    def build(self, step_id: str, worker_index: int, worker_count: int) -> _Batches:
        return _Batches(self._batches)


class _Batches(StatelessSourcePartition[Event]):
    def __init__(self, batches: list[list[Event]]) -> None:
        self._batches = iter(batches)

    def next_batch(self) -> list[Event]:
        return next(self._batches)  # its end is that of the stream


class _Sink(DynamicSink[Any]):
    def __init__(self, take: Callable[[Sequence[Any]], None]) -> None:
        self._take = take

    def build(self, step_id: str, worker_index: int, worker_count: int) -> _Taking:
        return _Taking(self._take)


class _Taking(StatelessSinkPartition[Any]):
    def __init__(self, take: Callable[[Sequence[Any]], None]) -> None:
        self._take = take

    def write_batch(self, items: list[Any]) -> None:
        self._take(items)
