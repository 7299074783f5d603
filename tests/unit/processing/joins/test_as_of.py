"""``AsOfJoin`` by example: which event is the latest, when rows come, what is kept."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.core.errors import ConfigError
from bridge.processing.events import StreamEvent
from bridge.processing.joins import AsOfJoin, JoinResult, RetractionRefused
from tests.unit.processing.joins.streams import CountedKey


def event(timestamp: int, key: Any = "k", sequence: int = 0, weight: int = 1) -> StreamEvent:
    return StreamEvent(key, timestamp, {"secret": 42}, weight, sequence)


def places(rows: list[JoinResult]) -> list[tuple[int, tuple[int, int] | None]]:
    return [
        (row.left.timestamp, row.right and (row.right.timestamp, row.right.sequence))
        for row in rows
        if row.left
    ]


def test_the_latest_right_event_that_is_not_after_is_the_partner() -> None:
    join = AsOfJoin()
    for timestamp in (80, 90, 101):
        join.process_right(event(timestamp))
    join.process_left(event(100))
    assert places(join.advance(101)) == [(100, (90, 0))]


def test_a_right_event_of_the_same_instant_counts_and_the_greatest_sequence_wins() -> None:
    join = AsOfJoin()
    join.process_left(event(100, sequence=1))
    join.process_right(event(100, sequence=9))
    join.process_right(event(100, sequence=8))
    assert join.advance(100) == []  # an event at 100 may still come
    assert places(join.advance(101)) == [(100, (100, 9))]


def test_a_right_event_that_comes_later_but_within_the_bound_is_the_partner() -> None:
    join = AsOfJoin(out_of_orderness=10)
    join.process_right(event(90))
    join.process_left(event(100))
    join.process_right(event(105))
    join.process_right(event(98))
    assert places(join.advance(101)) == [(100, (98, 0))]


def test_a_late_right_event_changes_nothing() -> None:
    join = AsOfJoin("left")
    join.advance(99)
    join.process_right(event(98))
    join.process_left(event(100))
    assert places(join.advance(200)) == [(100, None)]
    assert join.take_late() == [("right", event(98))]
    assert join.get_stats().right.late == 1


def test_a_partner_may_be_as_old_as_the_tolerance() -> None:
    join = AsOfJoin("left", tolerance=10)
    join.process_right(event(90))
    join.process_left(event(100))
    join.process_left(event(101))
    assert places(join.advance(200)) == [(100, (90, 0)), (101, None)]


def test_a_left_event_without_a_partner_gives_no_row_in_an_inner_join() -> None:
    join = AsOfJoin()
    join.process_left(event(100))
    assert join.advance(200) == []


@pytest.mark.parametrize("key", [None, (1, None)])
@pytest.mark.parametrize(("how", "rows"), [("inner", []), ("left", [(100, None)])])
def test_a_null_key_joins_nothing(how: Any, rows: Any, key: Any) -> None:
    join = AsOfJoin(how)
    join.process_right(event(100, key))
    assert places(join.process_left(event(100, key))) == rows
    assert join.advance(200) == []


def test_nan_joins_nan_as_in_postgresql() -> None:
    join = AsOfJoin()
    join.process_right(event(99, float("nan")))
    join.process_left(event(100, float("nan")))
    assert places(join.advance(101)) == [(100, (99, 0))]
    join.process_right(event(101, float("nan")))
    join.advance(200)
    assert join.get_stats().right.kept == 1


def test_a_retraction_is_refused_without_a_trace() -> None:
    join = AsOfJoin("left", name="priced")
    for process in (join.process_left, join.process_right):
        with pytest.raises(RetractionRefused, match="'priced'"):
            process(event(100, weight=-1))
    assert join.get_stats() == AsOfJoin().get_stats()


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"how": "right"}, "'right'.*inner, left"), ({"tolerance": -1}, "tolerance")],
)
def test_a_definition_that_makes_no_sense_is_refused(settings: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        AsOfJoin(**settings)


def test_memory_holds_the_latest_event_of_each_key() -> None:
    join = AsOfJoin(out_of_orderness=5)
    for timestamp in range(5_000):
        join.process_right(event(timestamp, timestamp % 3))
        join.process_left(event(timestamp, timestamp % 7))
        stats = join.get_stats()
        assert stats.left.kept <= 5 + 2
        assert stats.right.kept <= 5 + 2 + 3
    join.advance(10_000)
    stats = join.get_stats()
    assert (stats.left.kept, stats.right.kept) == (0, 3)


def test_memory_holds_no_event_that_is_older_than_the_tolerance() -> None:
    join = AsOfJoin(tolerance=10)
    for timestamp in range(5_000):  # each key once
        join.process_right(event(timestamp, timestamp))
        join.advance(timestamp)
        assert join.get_stats().right.kept <= 10 + 1
    join.advance(10_000)
    assert join.get_stats().right.kept == 0


def test_advancing_does_not_look_at_keys_that_release_nothing() -> None:
    join = AsOfJoin("left", tolerance=1_000_000)
    for number in range(2_000):
        join.process_right(event(number, CountedKey(number)))
    join.advance(10_000)
    join.process_left(event(10_000, CountedKey(7)))
    CountedKey.looks = 0
    assert places(join.advance(10_001)) == [(10_000, (7, 0))]
    assert CountedKey.looks < 10
