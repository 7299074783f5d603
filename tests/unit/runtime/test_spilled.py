"""Partitions in the store between two checkpoints."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from bridge.core.errors import EnvironmentProblem, Transient
from bridge.core.events import Position
from bridge.core.retry import RetryPolicy
from bridge.processing.state.memory import MemoryStateStore
from bridge.processing.state.results import Result
from bridge.processing.state.store import ProcessingCheckpoint
from bridge.runtime.processing.spilled import SpilledPartitions
from bridge.runtime.retry import Backoff
from tests.fixtures.counting_dataflow import make_answer


class ShakyStore(MemoryStateStore):
    """Is away for some commits."""

    failures = 0

    def commit(self, checkpoint: ProcessingCheckpoint, results: Sequence[Result]) -> None:
        if self.failures:
            self.failures -= 1
            raise Transient("away")
        super().commit(checkpoint, results)


def make_store() -> ShakyStore:
    store = ShakyStore("5b1c9e07f2ab4d63")
    store.commit(ProcessingCheckpoint(Position(7, 1), {"p-1": "head"}, 1), [make_answer(1)])
    return store


def make_spilled(store: MemoryStateStore) -> SpilledPartitions:
    return SpilledPartitions(store, Backoff(RetryPolicy(initial_delay_ms=1, max_delay_ms=2)))


def test_what_is_saved_leaves_the_checkpoint_as_it_is() -> None:
    store = make_store()
    spilled = make_spilled(store)
    spilled.save({"p-1/00a": [1, 2]})
    assert spilled.load("p-1/00a") == [1, 2]
    found = store.load(["p-1"])
    assert found == ProcessingCheckpoint(Position(7, 1), {"p-1": "head"}, 1)
    assert store.waiting() == {"results": 1}


def test_it_waits_for_a_store_that_is_away() -> None:
    store = make_store()
    store.failures = 3
    make_spilled(store).save({"p-1/00a": 1})
    assert make_spilled(store).load("p-1/00a") == 1


def test_it_waits_no_longer_once_it_is_closed() -> None:
    store = make_store()
    store.failures = 1000
    spilled = make_spilled(store)
    spilled.close()
    with pytest.raises(Transient):
        spilled.save({"p-1/00a": 1})


def test_a_partition_that_is_missing_is_an_error() -> None:
    with pytest.raises(EnvironmentProblem, match="'p-1/00a', a partition, is missing"):
        make_spilled(make_store()).load("p-1/00a")
