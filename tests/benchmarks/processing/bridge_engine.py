"""The jobs in ``bridge.processing``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from bridge.processing import AggregationFunction, StreamEvent, StreamProcessor, WindowType
from bridge.processing.joins import IntervalJoin
from bridge.processing.watermark import END
from tests.benchmarks.processing.answers import Answer
from tests.benchmarks.processing.jobs import DISORDER, GAP, HALF, MINUTE, SLIDE, Job, Load, rows

_BATCH: Final = 1000
"""Events that the bridge hands on together."""


class Bridge:
    """Feeds batches of events, as the bridge does."""

    def prepare(self, load: Load) -> list[list[StreamEvent]]:
        # The value is a row, as that of the bridge's own events.
        events = [
            StreamEvent(
                row.key, row.timestamp, {"amount": row.amount, "left": row.left}, sequence=number
            )
            for number, row in enumerate(rows(load))
        ]
        return [events[place : place + _BATCH] for place in range(0, len(events), _BATCH)]

    def run(
        self, load: Load, events: list[list[StreamEvent]], take: Callable[[Sequence[Any]], None]
    ) -> None:
        if load.job is Job.JOIN:
            join = new_join()
            for batch in events:
                for event in batch:
                    process = join.process_left if event.value["left"] else join.process_right
                    take(process(event))
            take(join.advance(END))
        else:
            processor = new_processor(load.job)
            for batch in events:
                take(processor.process_batch(batch))
            take(processor.advance(END))

    def answers(self, load: Load, results: Sequence[Any]) -> Iterable[Answer]:
        for result in results:
            if load.job is Job.JOIN:
                yield (result.key, result.left.value["amount"], result.right.value["amount"])
            elif load.job is Job.SESSION:
                yield (result.key, result.values["value"])
            else:
                yield (result.key, result.start, result.values["value"])


def new_processor(job: Job) -> StreamProcessor:
    """Return the processor of a job with windows."""
    window, aggregate = {
        Job.TUMBLING: (WindowType.Tumbling(MINUTE), AggregationFunction.Count()),
        Job.SLIDING: (WindowType.Sliding(MINUTE, SLIDE), AggregationFunction.Avg("amount")),
        Job.SESSION: (WindowType.Session(GAP), AggregationFunction.Count()),
    }[job]
    return StreamProcessor(window, aggregate, name=job, out_of_orderness=DISORDER)


def new_join() -> IntervalJoin:
    """Return the join of ``Job.JOIN``."""
    return IntervalJoin("inner", before=HALF, after=HALF, name="join", out_of_orderness=DISORDER)
