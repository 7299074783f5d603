"""The benchmark of event stores: every contestant does the work, and ratios are those of rounds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.benchmarks.event_sourcing import run
from tests.benchmarks.event_sourcing.contestant import Contestant, Load
from tests.benchmarks.event_sourcing.measure import Servers, contestants
from tests.benchmarks.event_sourcing.report import ratios, table
from tests.benchmarks.event_sourcing.run import MEMORY, PEER_SQLITE, SQLITE, open_store

LOAD = Load(single=3, batches=2, batch=5, history=120)


@pytest.mark.parametrize("name", [MEMORY, SQLITE, PEER_SQLITE])
def test_a_contestant_gives_right_answers(name: str, tmp_path: Path) -> None:
    store = open_store(name, str(tmp_path))

    rates = run.run(store, LOAD)

    store.close()
    assert len(rates) == 5
    assert all(rate > 0 for rate in rates.values())


def test_a_wrong_answer_ends_the_run(tmp_path: Path) -> None:
    class Forgetful:
        """A store that loses the last event of a history."""

        def __init__(self, store: Contestant) -> None:
            self._store = store

        def appends(self, sizes: list[int]) -> Callable[[], None]:
            return self._store.appends(sizes)

        def fill(self, events: int) -> None:
            self._store.fill(events - 1)

        def __getattr__(self, name: str) -> object:
            return getattr(self._store, name)

    store = open_store(MEMORY, str(tmp_path))
    forgetful: Contestant = Forgetful(store)  # type: ignore[assignment]

    with pytest.raises(AssertionError):
        run.run(forgetful, LOAD)


def test_each_round_begins_and_ends_with_the_same_store() -> None:
    names = list(contestants(Servers(postgres="x")).values())

    assert names[0] == names[-1] == SQLITE
    assert run.JETSTREAM not in names
    assert run.JETSTREAM in contestants(Servers(postgres="x", nats=("nats://a",)))


def test_the_ratio_is_to_the_baseline_of_the_same_round() -> None:
    runs = {
        SQLITE: [{"job": 100.0}, {"job": 200.0}, {"job": 400.0}],
        PEER_SQLITE: [{"job": 50.0}, {"job": 50.0}, {"job": 100.0}],
    }

    found = ratios(runs)["job"][PEER_SQLITE]

    assert (found.median, found.min, found.max) == (4.0, 2.0, 4.0)
    assert "4.00x" in table(runs)
