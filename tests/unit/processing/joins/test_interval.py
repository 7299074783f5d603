"""``IntervalJoin`` by example: what is in the interval, when rows come, what is kept."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from bridge.core.errors import ConfigError
from bridge.processing.events import StreamEvent
from bridge.processing.joins import IntervalJoin, JoinResult, RetractionRefused
from bridge.processing.watermark import BEGINNING
from tests.unit.processing.joins.streams import CountedKey

YEAR = 365 * 86_400_000_000


def event(timestamp: int, key: Any = "k", sequence: int = 0, weight: int = 1) -> StreamEvent:
    return StreamEvent(key, timestamp, {"secret": 42}, weight, sequence)


def times(rows: list[JoinResult]) -> list[tuple[int | None, int | None]]:
    return [(row.left and row.left.timestamp, row.right and row.right.timestamp) for row in rows]


def test_both_ends_of_the_interval_belong_to_it() -> None:
    join = IntervalJoin(before=10, after=5)
    for timestamp in (89, 90, 105, 106):
        join.process_right(event(timestamp))
    assert times(join.process_left(event(100))) == [(100, 90), (100, 105)]


def test_without_an_interval_only_the_same_instant_joins() -> None:
    join = IntervalJoin()
    for timestamp in (99, 100, 101):
        join.process_right(event(timestamp))
    assert times(join.process_left(event(100))) == [(100, 100)]


def test_durations_may_be_timedeltas() -> None:
    join = IntervalJoin(before=timedelta(microseconds=10), after=timedelta(0))
    join.process_right(event(90))
    assert times(join.process_left(event(100))) == [(100, 90)]


def test_a_left_event_alone_comes_only_after_the_end_of_its_interval() -> None:
    join = IntervalJoin("left", before=10, after=5)
    assert join.process_left(event(100)) == []
    assert join.advance(105) == []  # an event at 105 may still come
    assert times(join.advance(106)) == [(100, None)]
    assert join.advance(1000) == []


def test_a_right_event_alone_comes_only_after_the_end_of_its_interval() -> None:
    join = IntervalJoin("right", before=10, after=5)
    assert join.process_right(event(100)) == []
    assert join.advance(110) == []
    assert times(join.advance(111)) == [(None, 100)]


def test_rows_of_one_call_are_in_order_of_time_then_left_before_right() -> None:
    join = IntervalJoin("full", before=1, after=9)
    for timestamp, sequence in ((100, 4), (101, 2), (101, 1)):
        join.process_right(event(timestamp, "r", sequence))
        join.process_left(event(timestamp, "l", sequence + 10))
    rows = join.advance(1000)
    assert times(rows) == [
        (100, None),
        (None, 100),
        (101, None),
        (101, None),
        (None, 101),
        (None, 101),
    ]
    assert [(row.left or row.right).sequence for row in rows] == [14, 4, 11, 12, 1, 2]


def test_pairs_of_one_event_are_in_order_of_the_partners() -> None:
    join = IntervalJoin(before=10, after=10)
    for timestamp, sequence in ((105, 1), (95, 3), (95, 2)):
        join.process_left(event(timestamp, sequence=sequence))
    rows = join.process_right(event(100))
    assert [(row.left.timestamp, row.left.sequence) for row in rows if row.left] == [
        (95, 2),
        (95, 3),
        (105, 1),
    ]


def test_the_slower_side_holds_rows_back() -> None:
    join = IntervalJoin("left", after=5)
    join.process_left(event(100))
    assert join.process_left(event(100 + YEAR)) == []
    assert times(join.process_right(event(103))) == [(100, 103)]
    assert join.take_late() == []


def test_a_watermark_that_goes_back_changes_nothing() -> None:
    join = IntervalJoin("left")
    join.advance(50)
    assert join.advance(10) == []
    assert join.get_stats().watermark == 50


def test_an_event_at_the_watermark_is_in_time_and_one_before_it_is_late() -> None:
    join = IntervalJoin("full", before=10, after=10)
    join.process_right(event(100))
    join.advance(95)
    assert join.process_left(event(94, sequence=1)) == []
    assert times(join.process_left(event(95, sequence=2))) == [(95, 100)]
    assert join.take_late() == [("left", event(94, sequence=1))]
    stats = join.get_stats()
    assert (stats.left.events, stats.left.late, stats.right.late) == (2, 1, 0)


@pytest.mark.parametrize("key", [None, (1, None)])
@pytest.mark.parametrize(
    ("how", "left", "right"), [("inner", 0, 0), ("left", 1, 0), ("right", 0, 1), ("full", 1, 1)]
)
def test_a_null_key_joins_nothing(how: Any, left: int, right: int, key: Any) -> None:
    join = IntervalJoin(how)
    assert times(join.process_left(event(100, key))) == [(100, None)] * left
    assert times(join.process_right(event(100, key))) == [(None, 100)] * right
    assert join.advance(1000) == []
    stats = join.get_stats()
    assert (stats.left.null_keys, stats.right.null_keys) == (1, 1)


def test_nan_joins_nan_as_in_postgresql() -> None:
    join = IntervalJoin()
    join.process_left(event(100, (float("nan"), "a")))
    assert times(join.process_right(event(100, (float("nan"), "a")))) == [(100, 100)]
    assert join.advance(1000) == []


def test_events_that_share_everything_are_joined_each() -> None:
    join = IntervalJoin("full")
    join.process_left(event(100))
    join.process_left(event(100))
    assert times(join.process_right(event(100))) == [(100, 100)] * 2
    assert join.advance(1000) == []


def test_a_retraction_is_refused_without_a_trace() -> None:
    join = IntervalJoin("full", name="orders_paid")
    with pytest.raises(RetractionRefused, match=r"'orders_paid'.*append mode") as refused:
        join.process_left(event(100, weight=-1))
    assert "secret" not in str(refused.value)
    with pytest.raises(RetractionRefused):
        join.process_right(event(100, weight=-1))
    assert join.get_stats() == IntervalJoin("full").get_stats()
    assert join.advance(1000) == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"how": "outer"}, "'outer'.*inner, left, right, full"),
        ({"before": -1}, "before"),
        ({"after": timedelta(seconds=-1)}, "after"),
        ({"out_of_orderness": -1}, "out_of_orderness"),
        ({"before": "5s"}, "before"),
    ],
)
def test_a_definition_that_makes_no_sense_is_refused(settings: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        IntervalJoin(**settings)


def test_the_watermark_is_at_the_beginning_until_both_sides_had_an_event() -> None:
    join = IntervalJoin()
    join.process_left(event(100))
    assert join.get_stats().watermark == BEGINNING
    join.process_right(event(90))
    assert join.get_stats().watermark == 90


def test_memory_holds_what_can_still_join_and_no_more() -> None:
    join = IntervalJoin("full", before=20, after=10, out_of_orderness=5)
    for timestamp in range(10_000):
        join.process_left(event(timestamp, timestamp % 3))
        join.process_right(event(timestamp, timestamp % 7))
        stats = join.get_stats()
        # From `watermark - after` (or before), included, to the newest event.
        assert stats.left.kept <= 5 + 10 + 2
        assert stats.right.kept <= 5 + 20 + 2
    join.advance(20_000)
    assert join.snapshot()["left"] == join.snapshot()["right"] == []


def test_advancing_does_not_look_at_keys_that_release_nothing() -> None:
    join = IntervalJoin("left", after=1_000_000)
    for number in range(2_000):
        join.process_left(event(number, CountedKey(number)))
    CountedKey.looks = 0
    assert len(join.advance(1_000_003)) == 3
    assert CountedKey.looks < 20
