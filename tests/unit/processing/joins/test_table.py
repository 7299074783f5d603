"""``TableJoin``: rows as the table has them at that position of the stream."""

from __future__ import annotations

import copy
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.core.errors import ConfigError
from bridge.processing.events import StreamEvent
from bridge.processing.joins import JoinResult, RetractionRefused, TableJoin, TableNotLoaded
from tests.unit.processing.joins.streams import assert_plain, same_key

KEYS = st.sampled_from([1, (2, "b"), None, (3, None)]) | st.builds(lambda: float("nan"))
CHANGES = st.tuples(st.just("change"), KEYS, st.none() | st.integers(0, 99))
TRUNCATE = st.tuples(st.just("truncate"), st.none(), st.none())
EVENTS = st.tuples(st.just("event"), KEYS, st.integers(0, 99))
STEPS = st.lists(CHANGES | EVENTS | TRUNCATE, max_size=20)


def event(key: Any = "k", timestamp: int = 100, sequence: int = 7, weight: int = 1) -> StreamEvent:
    return StreamEvent(key, timestamp, "order", weight, sequence)


def loaded(how: Literal["inner", "left"] = "inner", **rows: str) -> TableJoin:
    join = TableJoin(how, name="with_customer")
    for key, row in rows.items():
        join.table_changed(key, row)
    join.loaded()
    return join


def run(join: TableJoin, steps: list[tuple[str, Any, Any]]) -> list[list[JoinResult]]:
    rows = []
    for kind, key, value in steps:
        if kind == "event":
            rows.append(join.process(StreamEvent(key, value, "order")))
        elif kind == "change":
            join.table_changed(key, value)
        else:
            join.table_truncated()
    return rows


def expected(how: str, steps: list[tuple[str, Any, Any]]) -> list[list[JoinResult]]:
    """Return what each event has to give, looking back from it for the last change of its row."""
    rows = []
    for at, (kind, key, value) in enumerate(steps):
        if kind != "event":
            continue
        row = None
        for before, old_key, content in reversed(steps[:at]):
            if before == "truncate":
                break
            if before == "change" and same_key(key, old_key):
                row = content
                break
        left = StreamEvent(key, value, "order")
        right = None if row is None else StreamEvent(key, value, row)
        pads = how == "left"
        rows.append([JoinResult("with", key, left, right)] if right or pads else [])
    return rows


def check(how: Literal["inner", "left"], steps: list[tuple[str, Any, Any]], cut: int) -> None:
    original = TableJoin(how, name="with")
    original.loaded()
    begun = run(original, steps[:cut])
    state = original.snapshot()
    assert_plain(state)
    kept = copy.deepcopy(state)
    rest = run(original, steps[cut:])
    assert repr(state) == repr(kept)

    restored = TableJoin(how, name="with")
    restored.table_changed("gone", 1)  # what was there before has to go
    restored.restore(kept)

    assert run(restored, steps[cut:]) == rest
    assert [*begun, *rest] == expected(how, steps)
    assert restored.get_stats() == original.get_stats()


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(["inner", "left"]), STEPS, st.integers(0, 20))
def test_an_event_has_the_row_of_its_position_before_and_after_a_restore(
    how: Any, steps: Any, cut: int
) -> None:
    check(how, steps, cut)


@pytest.mark.nightly
@settings(max_examples=2000, deadline=None)
@given(st.sampled_from(["inner", "left"]), STEPS, st.integers(0, 20))
def test_an_event_has_the_row_of_its_position_at_length(how: Any, steps: Any, cut: int) -> None:
    check(how, steps, cut)


def test_the_right_side_is_the_row_at_the_time_of_the_event() -> None:
    (row,) = loaded(k="Ada").process(event())
    assert row == JoinResult("with_customer", "k", event(), StreamEvent("k", 100, "Ada", 1, 7))
    assert row.timestamp == 100


def test_a_change_of_the_table_gives_no_row_and_changes_none_that_is_out() -> None:
    join = loaded(k="Ada")
    (first,) = join.process(event(timestamp=100))
    join.table_changed("k", "Grace")
    (second,) = join.process(event(timestamp=90))  # the order of commits counts, not the time
    assert first.right == event(timestamp=100)._replace(value="Ada")
    assert second.right == event(timestamp=90)._replace(value="Grace")


@pytest.mark.parametrize(("how", "count"), [("inner", 0), ("left", 1)])
def test_an_event_without_a_row(how: Any, count: int) -> None:
    join = loaded(how, k="Ada")
    join.table_changed("k", None)
    rows = join.process(event())
    assert rows == [JoinResult("with_customer", "k", event(), None)] * count
    assert len(join.process(event(None))) == count
    assert join.get_stats().null_keys == 1


def test_an_event_before_the_table_is_loaded_is_an_error_that_says_what_to_do() -> None:
    join = TableJoin(name="with_customer")
    join.table_changed("k", "Ada")
    with pytest.raises(TableNotLoaded, match=r"'with_customer'.*call loaded"):
        join.process(event())
    join.loaded()
    assert len(join.process(event())) == 1


def test_a_restored_table_is_loaded_if_it_was() -> None:
    restored = TableJoin()
    restored.restore(loaded(k="Ada").snapshot())
    assert len(restored.process(event())) == 1
    restored.restore(TableJoin().snapshot())
    with pytest.raises(TableNotLoaded):
        restored.process(event())


def test_a_retraction_is_refused() -> None:
    join = loaded(k="Ada")
    with pytest.raises(RetractionRefused, match="'with_customer'"):
        join.process(event(weight=-1))
    assert join.get_stats().events == 0


def test_memory_holds_one_row_for_each_key() -> None:
    join = loaded()
    for number in range(1_000):
        join.table_changed(number % 10, number)
        join.table_changed((None, number), number)
    assert join.get_stats().rows == 10
    join.table_truncated()
    assert join.get_stats().rows == 0


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"'full'.*inner, left"):
        TableJoin("full")  # type: ignore[arg-type]
