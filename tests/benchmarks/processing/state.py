"""A process that measures the state of one job with so many keys, and what a restart costs.

``python -m tests.benchmarks.processing.state JOB KEYS`` prints a :class:`State` as JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from bridge.processing import StreamEvent
from bridge.processing.joins import IntervalJoin
from bridge.processing.state.store import ProcessingCheckpoint
from bridge.runtime.processing.collection import without_collection
from bridge.runtime.processing.sqlite_store import SqliteStateStore
from tests.benchmarks.processing.bridge_engine import new_join, new_processor
from tests.benchmarks.processing.jobs import SECOND, START, Job
from tests.benchmarks.processing.memory import resident_mb

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """State of one event for each key, of which nothing is complete.

    Attributes:
        bytes_per_key: by which the resident size grew while the events were taken in.
        stored_bytes_per_key: size of the store on disk.
        snapshot_s: to copy the state as plain data.
        commit_s: to write it to the embedded store, durably.
        load_s: to read it from there.
        restore_s: to make the state of a new processor of it.
    """

    bytes_per_key: float
    stored_bytes_per_key: float
    snapshot_s: float
    commit_s: float
    load_s: float
    restore_s: float


_BATCH = 1000


def events(keys: int) -> Iterator[list[StreamEvent]]:
    """Yield one event for each key, in batches, all within a second."""
    for begin in range(0, keys, _BATCH):
        yield [
            StreamEvent(_key(number), START + number * SECOND // keys, {"amount": number})
            for number in range(begin, min(begin + _BATCH, keys))
        ]


def _key(number: int) -> str:
    # Spread out, or compression would make nothing of them.
    return f"{number * 2_654_435_761 % 2**32:08x}"


def measure(job: Job, keys: int, directory: Path) -> State:
    """Build the state, write it to a store in an empty directory, and begin again from there."""
    operator: Any = new_operator(job)
    before_mb = resident_mb()
    for batch in events(keys):
        take(operator, batch)
    grown_mb = resident_mb() - before_mb

    with without_collection():  # as the bridge does it
        snapshot, snapshot_s = timed(operator.snapshot)
    store = open_store(directory)
    _, commit_s = timed(partial(store.commit, ProcessingCheckpoint(None, {job: snapshot}), []))
    store.close()
    del operator, snapshot

    store = open_store(directory)
    restored: Any = new_operator(job)
    with without_collection():
        loaded, load_s = timed(store.load)
        _, restore_s = timed(partial(restored.restore, loaded.states[job]))
    store.close()
    return State(
        bytes_per_key=grown_mb * 2**20 / keys,
        stored_bytes_per_key=sum(file.stat().st_size for file in directory.iterdir()) / keys,
        snapshot_s=snapshot_s,
        commit_s=commit_s,
        load_s=load_s,
        restore_s=restore_s,
    )


def new_operator(job: Job) -> Any:
    return new_join() if job is Job.JOIN else new_processor(job)


def take(operator: Any, batch: list[StreamEvent]) -> None:
    if isinstance(operator, IntervalJoin):
        for event in batch:
            operator.process_left(event)
    else:
        operator.process_batch(batch)


def open_store(directory: Path) -> Any:
    return SqliteStateStore(directory, "bench")


def timed(action: Callable[[], T]) -> tuple[T, float]:
    began = time.perf_counter()
    value = action()
    return value, time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.processing.state")
    parser.add_argument("job", type=Job, choices=list(Job))
    parser.add_argument("keys", type=int)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pgbridge-bench-") as directory:
        json.dump(asdict(measure(args.job, args.keys, Path(directory))), sys.stdout)


if __name__ == "__main__":
    main()
