"""What every store of processing state promises (``bridge.processing.state.store``)."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

import pytest

from bridge.core.errors import BridgeError, InvariantViolated
from bridge.core.events import Position
from bridge.processing.state.figures import figures, figures_name, stored_figures
from bridge.processing.state.results import Result
from bridge.processing.state.store import ProcessingCheckpoint, StateStore
from tests.contract.state_stores import (
    HOMES,
    Home,
    make_checkpoint,
    make_result,
    make_results,
)

ALL = 1_000_000


@pytest.fixture(params=HOMES)
def home(request: pytest.FixtureRequest) -> Home:
    made: Home = request.param(request)
    return made


@pytest.fixture
def store(home: Home) -> Iterator[StateStore]:
    store = home.open()
    yield store
    store.close()


def commit(store: StateStore, *results: Result) -> int:
    """Commit the results alone and return the number of the last one."""
    found = store.load()
    last = (0 if found is None else found.sequence) + len(results)
    store.commit(ProcessingCheckpoint(None, {}, last), results)
    return last


def waiting_for(store: StateStore, sink: str, after: int = 0, limit: int = ALL) -> list[int]:
    return [number for number, _ in store.results(sink, after, limit)]


def test_a_new_store_has_an_identity_and_nothing_else(store: StateStore) -> None:
    assert re.fullmatch("[0-9a-f]{32}", store.identity)
    assert store.load() is None
    assert (store.deliveries(), store.waiting(), store.names()) == ({}, {}, ())
    assert store.results("out", 0, ALL) == []


def test_what_was_committed_is_loaded(store: StateStore) -> None:
    states = {"a-1": [("x", Decimal("1.50")), {(1, None): b"\x00"}], "b-2": None}
    checkpoint = ProcessingCheckpoint(Position(0xFFFF_FFFF_FFFF_FFFF, -1), states)

    store.commit(checkpoint, [])

    assert store.load() == checkpoint


def test_a_checkpoint_may_stand_before_all_events(store: StateStore) -> None:
    store.commit(ProcessingCheckpoint(None, {}), [])

    assert store.load() == ProcessingCheckpoint(None, {})


def test_a_commit_replaces_its_states_and_leaves_the_others(store: StateStore) -> None:
    store.commit(ProcessingCheckpoint(Position(1, 0), {"a": 1, "b": 1}), [])
    store.commit(ProcessingCheckpoint(Position(2, 0), {"b": 2, "c": 2}), [])

    assert store.load() == ProcessingCheckpoint(Position(2, 0), {"a": 1, "b": 2, "c": 2})
    assert store.names() == ("a", "b", "c")


def test_only_the_states_that_are_named_are_loaded(store: StateStore) -> None:
    store.commit(ProcessingCheckpoint(None, {"a": 1, "b": 2}), [])

    assert store.load(["b", "unknown"]) == ProcessingCheckpoint(None, {"b": 2})
    assert store.load([]) == ProcessingCheckpoint(None, {})


def test_it_knows_how_large_states_are_and_tells_the_figures_of_processors(
    store: StateStore,
) -> None:
    name = "revenue-0123456789ab"
    states = {
        name: ["state"],
        f"{name}/07a": list(range(10_000)),
        figures_name(name): figures("revenue", {"events": 7, "late": 2}),
    }
    store.commit(ProcessingCheckpoint(None, states, 0), [])
    sizes = store.sizes()
    assert sizes.keys() == states.keys()
    assert 0 < sizes[name] < sizes[f"{name}/07a"]
    assert stored_figures(store, sizes) == {"revenue": {"events": 7, "late": 2}}


def test_a_state_can_be_forgotten(store: StateStore) -> None:
    store.commit(ProcessingCheckpoint(None, {"a": 1, "b": 2}), [])

    store.forget("a")
    store.forget("unknown")

    assert store.names() == ("b",)
    assert store.load() == ProcessingCheckpoint(None, {"b": 2})


def test_a_large_state_is_stored_whole(store: StateStore) -> None:
    state = random.Random(4).randbytes(20_000_000)  # several parts
    store.commit(ProcessingCheckpoint(None, {"a": state}), [])
    store.commit(ProcessingCheckpoint(None, {"a": state[::-1]}), [])

    found = store.load()

    assert found is not None
    assert found.states["a"] == state[::-1]


def test_a_state_that_is_not_plain_data_changes_nothing(store: StateStore) -> None:
    store.commit(make_checkpoint(1), make_results(1))

    with pytest.raises(BridgeError, match="State 'bad'"):
        store.commit(replace(make_checkpoint(2), states={"bad": object()}), make_results(2))

    assert store.load() == make_checkpoint(1)
    assert waiting_for(store, "out") == [1, 2]


def test_results_are_numbered_in_the_order_of_the_commits(store: StateStore) -> None:
    for number in (1, 2, 3):
        store.commit(make_checkpoint(number), make_results(number))

    assert store.results("out", 0, ALL) == [(n, make_result(n)) for n in range(1, 7)]
    assert store.results("out", 2, 3) == [(n, make_result(n)) for n in (3, 4, 5)]
    assert store.results("out", 6, ALL) == []


def test_numbers_have_to_follow_those_that_are_stored(store: StateStore) -> None:
    store.commit(make_checkpoint(1), make_results(1))

    for sequence in (1, 5):
        with pytest.raises(InvariantViolated, match="after number 2"):
            store.commit(replace(make_checkpoint(2), sequence=sequence), make_results(2))

    assert store.load() == make_checkpoint(1)
    assert waiting_for(store, "out") == [1, 2]


def test_a_commit_that_comes_again_stores_its_results_once(store: StateStore) -> None:
    for number in (1, 2, 2):
        store.commit(make_checkpoint(number), make_results(number))

    assert store.load() == make_checkpoint(2)
    assert store.results("out", 0, ALL) == [(n, make_result(n)) for n in range(1, 5)]
    assert store.waiting() == {"out": 4}


def test_each_sink_gets_its_own_results_in_order(store: StateStore) -> None:
    commit(store, make_result(1, "a"), make_result(2, "b"), make_result(3, "a", "b"))
    commit(store, make_result(4, "b", "a"))

    assert waiting_for(store, "a") == [1, 3, 4]
    assert waiting_for(store, "b") == [2, 3, 4]
    assert store.results("a", 3, ALL) == [(4, make_result(4, "b", "a"))]
    assert store.waiting() == {"a": 3, "b": 3}
    assert waiting_for(store, "nobody") == []


def test_what_a_sink_holds_is_not_told_again(store: StateStore) -> None:
    commit(store, *(make_result(number, "a", "b") for number in (1, 2, 3)))

    store.delivered("a", 2)

    assert waiting_for(store, "a") == [3]
    assert waiting_for(store, "b") == [1, 2, 3]
    assert store.deliveries() == {"a": 2}
    assert store.waiting() == {"a": 1, "b": 3}


def test_a_report_that_is_late_changes_nothing(store: StateStore) -> None:
    commit(store, *(make_result(number) for number in (1, 2, 3)))
    store.delivered("out", 2)
    store.delivered("out", 1)

    assert store.deliveries() == {"out": 2}
    assert waiting_for(store, "out") == [3]


def test_numbers_go_on_when_everything_was_delivered(store: StateStore) -> None:
    store.commit(make_checkpoint(1), make_results(1))
    store.delivered("out", 2)
    store.commit(make_checkpoint(2), make_results(2))

    assert waiting_for(store, "out") == [3, 4]


def test_results_of_a_sink_that_is_gone_can_be_given_up(store: StateStore) -> None:
    last = commit(store, make_result(1, "gone", "out"), make_result(2, "gone"))
    store.delivered("out", last)
    assert store.waiting() == {"gone": 2}

    store.delivered("gone", last)

    assert store.waiting() == {}


def test_a_report_of_a_sink_without_results_is_kept(store: StateStore) -> None:
    commit(store, make_result(1))
    store.delivered("new", 1)

    assert store.deliveries() == {"new": 1}
    assert waiting_for(store, "out") == [1]


def test_each_slot_has_its_own_state(home: Home, store: StateStore) -> None:
    other = home.open("invoices")
    try:
        store.commit(make_checkpoint(1), make_results(1))
        other.commit(make_checkpoint(3, results=0), [])
        other.delivered("out", 5)

        assert store.identity != other.identity
        assert other.load() == make_checkpoint(3, results=0)
        assert store.load() == make_checkpoint(1)
        assert (waiting_for(store, "out"), waiting_for(other, "out")) == ([1, 2], [])
    finally:
        other.close()


def test_everything_is_there_after_a_restart(home: Home) -> None:
    first = home.open()
    first.commit(make_checkpoint(1), make_results(1))
    first.delivered("out", 1)
    first.close()

    again = home.open()
    try:
        assert again.identity == first.identity
        assert again.load() == make_checkpoint(1)
        assert again.deliveries() == {"out": 1}
        assert again.results("out", 0, ALL) == [(2, make_result(2))]
        again.commit(make_checkpoint(2), make_results(2))
        assert waiting_for(again, "out") == [2, 3, 4]
    finally:
        again.close()


def test_a_store_that_was_deleted_is_another_one(home: Home) -> None:
    first = home.open()
    first.commit(make_checkpoint(1), make_results(1))
    first.close()
    home.wipe()

    again = home.open()
    try:
        assert again.identity != first.identity
        assert again.load() is None
        assert again.results("out", 0, ALL) == []
    finally:
        again.close()


@pytest.mark.parametrize("seed", [1, 2, pytest.param(None, marks=pytest.mark.nightly)])
def test_any_order_of_commits_and_reports_leaves_what_is_not_delivered(
    home: Home, seed: int | None
) -> None:
    seed = seed or random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    sinks = ("a", "b", "c")
    expected: dict[str, dict[int, Result]] = {sink: {} for sink in sinks}
    delivered: dict[str, int] = {}
    last = 0
    store = home.open()
    for _ in range(60):
        match chance.randrange(5):
            case 0 | 1:
                results = []
                for _ in range(chance.randrange(4)):
                    last += 1
                    to = chance.sample(sinks, chance.randint(1, 3))
                    results.append(make_result(last, *to))
                    for sink in to:
                        expected[sink][last] = results[-1]
                checkpoint = ProcessingCheckpoint(Position(last, 0), {"s": last}, last)
                for _ in range(chance.choice((1, 1, 2))):
                    store.commit(checkpoint, results)
            case 2 | 3:
                sink, number = chance.choice(sinks), chance.randint(0, last)
                store.delivered(sink, number)
                delivered[sink] = max(number, delivered.get(sink, 0))
                expected[sink] = {n: r for n, r in expected[sink].items() if n > number}
            case _:
                store.close()
                store = home.open()
        for sink in sinks:
            assert store.results(sink, 0, ALL) == list(expected[sink].items())
        assert store.waiting() == {sink: len(left) for sink, left in expected.items() if left}
        assert store.deliveries() == delivered
    store.close()
