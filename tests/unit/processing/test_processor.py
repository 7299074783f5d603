"""What a stream processor tells of its windows, and when."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from bridge.core.errors import BridgeError, ConfigError
from bridge.processing.aggregates import AggregationFunction, Unaggregatable
from bridge.processing.events import StreamEvent
from bridge.processing.processor import StreamProcessor
from bridge.processing.windows import WindowResult, WindowType

COUNT = AggregationFunction.Count()
SUM = AggregationFunction.Sum()
YEAR = 365 * 86_400_000_000


def event(timestamp: int, value: Any = 1, key: Any = "k", weight: int = 1) -> StreamEvent:
    return StreamEvent(key, timestamp, value, weight)


def told(results: list[WindowResult]) -> list[tuple[int, int, Any, str]]:
    """Return start, end, value, and how it was told, of each result."""
    return [
        (
            result.start,
            result.end,
            result.values and result.values["value"],
            f"{'final' if result.final else 'so far'} {result.revision}",
        )
        for result in results
    ]


class TestFinalResults:
    def test_a_window_is_told_when_the_watermark_reaches_its_end(self) -> None:
        processor = StreamProcessor(WindowType.Tumbling(10), SUM, out_of_orderness=3)

        assert processor.process_event(event(1, 5)) == []
        assert processor.process_event(event(12, 7)) == []
        assert processor.process_event(event(9, 6)) == []
        assert told(processor.process_event(event(13, 1))) == [(0, 10, 11, "final 0")]

    def test_time_that_passes_closes_windows_too(self) -> None:
        processor = StreamProcessor(WindowType.Tumbling(10), SUM)
        processor.process_event(event(1, 5))

        assert processor.advance(9) == []
        assert told(processor.advance(10)) == [(0, 10, 5, "final 0")]
        assert processor.advance(50) == processor.advance(20) == []

    def test_every_result_says_what_it_is_of(self) -> None:
        processor = StreamProcessor(
            WindowType.Tumbling(10), {"n": COUNT, "total": SUM}, name="sales"
        )
        processor.process_event(event(1, 5, key=("a", 7)))

        assert processor.advance(10) == [
            WindowResult("sales", ("a", 7), 0, 10, {"n": 1, "total": 5}, True, 0)
        ]

    def test_windows_are_told_by_their_end_and_then_by_which_key_came_first(self) -> None:
        processor = StreamProcessor(WindowType.Tumbling(10), SUM, out_of_orderness=50)
        processor.process_batch(
            [event(25, key="z"), event(5, key="y"), event(6, key="x"), event(26, key="a")]
        )

        assert [(result.end, result.key) for result in processor.advance(99)] == [
            (10, "y"),
            (10, "x"),
            (30, "z"),
            (30, "a"),
        ]

    def test_times_before_1970_are_like_others(self) -> None:
        processor = StreamProcessor(WindowType.Tumbling(10), SUM)

        results = processor.process_batch([event(-21), event(-11), event(-1)])

        assert [(result.start, result.end) for result in results] == [(-30, -20), (-20, -10)]


class TestUpdates:
    def test_each_event_is_told_at_once_and_the_end_last(self) -> None:
        processor = StreamProcessor(WindowType.Tumbling(10), SUM, emit="updates")

        assert told(processor.process_event(event(1, 5))) == [(0, 10, 5, "so far 0")]
        assert told(processor.process_event(event(2, 6))) == [(0, 10, 11, "so far 1")]
        assert told(processor.process_event(event(10, 1))) == [
            (10, 20, 1, "so far 0"),
            (0, 10, 11, "final 2"),
        ]

    def test_an_event_is_told_for_each_of_its_windows(self) -> None:
        processor = StreamProcessor(WindowType.Sliding(10, 5), SUM, emit="updates")

        assert told(processor.process_event(event(7, 3))) == [
            (0, 10, 3, "so far 0"),
            (5, 15, 3, "so far 0"),
        ]

    def test_what_was_told_does_not_change(self) -> None:
        processor = StreamProcessor(
            WindowType.Tumbling(10), AggregationFunction.Collect(), emit="updates"
        )
        first = processor.process_event(event(1, "a"))
        processor.process_event(event(2, "b"))

        assert told(first) == [(0, 10, ["a"], "so far 0")]


class TestLateEvents:
    def test_a_late_event_is_kept_aside_and_counted(self) -> None:
        processor = StreamProcessor(WindowType.Tumbling(10), SUM)
        processor.process_batch([event(1), event(10)])

        assert processor.process_event(event(9, 5)) == []
        assert processor.get_stats().late == 1
        assert processor.take_late() == [event(9, 5)]
        assert processor.take_late() == []
        assert processor.get_stats().late == 1

    def test_an_event_behind_the_watermark_is_not_late_for_a_window_that_is_open(self) -> None:
        processor = StreamProcessor(WindowType.Tumbling(10), SUM)
        processor.process_batch([event(8, 1), event(2, 4)])

        assert told(processor.advance(10)) == [(0, 10, 5, "final 0")]

    def test_allowed_lateness_tells_a_window_again(self) -> None:
        processor = StreamProcessor(WindowType.Tumbling(10), SUM, allowed_lateness=5)
        processor.process_batch([event(1, 1), event(12)])

        assert told(processor.process_event(event(9, 6))) == [(0, 10, 7, "final 1")]
        assert told(processor.process_event(event(9, 1))) == [(0, 10, 8, "final 2")]
        processor.advance(15)
        assert processor.process_event(event(9, 100)) == []
        assert processor.take_late() == [event(9, 100)]

    def test_a_window_may_begin_with_a_late_event(self) -> None:
        processor = StreamProcessor(WindowType.Tumbling(10), SUM, allowed_lateness=5)
        processor.advance(12)

        assert told(processor.process_event(event(9, 6))) == [(0, 10, 6, "final 0")]
        assert processor.get_stats().open_windows == 1
        processor.advance(15)
        assert processor.get_stats().open_windows == 0

    def test_an_event_may_be_late_for_some_of_its_windows(self) -> None:
        processor = StreamProcessor(WindowType.Sliding(10, 5), SUM)
        processor.advance(10)

        processor.process_event(event(7, 3))

        assert processor.take_late() == []
        assert told(processor.advance(99)) == [(5, 15, 3, "final 0")]

    def test_an_event_between_windows_is_in_none_and_not_late(self) -> None:
        processor = StreamProcessor(WindowType.Sliding(2, 10), SUM)

        assert processor.process_batch([event(25), event(5)]) == []
        assert processor.get_stats().late == 0

    def test_a_clock_a_year_ahead_closes_windows_and_makes_others_late_but_loses_nothing(
        self,
    ) -> None:
        processor = StreamProcessor(WindowType.Tumbling(10), SUM)
        processor.process_event(event(1, 1))

        assert told(processor.process_event(event(YEAR, 100))) == [(0, 10, 1, "final 0")]
        assert processor.process_batch([event(2, 2), event(13, 4)]) == []
        assert processor.take_late() == [event(2, 2), event(13, 4)]

    def test_a_clock_a_year_behind_moves_nothing(self) -> None:
        processor = StreamProcessor(WindowType.Tumbling(10), SUM)
        processor.process_event(event(YEAR))

        assert processor.process_event(event(1)) == []
        assert processor.take_late() == [event(1)]
        assert processor.get_stats().watermark == YEAR


class TestSessions:
    def test_it_begins_with_the_first_event_and_ends_a_gap_after_the_last(self) -> None:
        processor = StreamProcessor(WindowType.Session(10), SUM)
        processor.process_batch([event(3, 1), event(9, 2), event(30, 4)])

        assert told(processor.advance(99)) == [(30, 40, 4, "final 0")]
        assert processor.get_stats().results == 2

    def test_an_event_at_the_end_belongs_to_it_whoever_moved_the_watermark(self) -> None:
        processor = StreamProcessor(WindowType.Session(10), SUM)

        assert processor.process_batch([event(0, 1), event(10, 1, key="other")]) == []
        assert told(processor.process_batch([event(10, 2), event(31, 1)])) == [
            (0, 20, 3, "final 0"),
            (10, 20, 1, "final 0"),
        ]

    def test_an_event_makes_two_sessions_one(self) -> None:
        processor = StreamProcessor(WindowType.Session(10), SUM, out_of_orderness=20)

        processor.process_batch([event(0, 1), event(18, 2), event(9, 4)])

        assert processor.get_stats().open_windows == 1
        assert told(processor.advance(99)) == [(0, 28, 7, "final 0")]

    def test_a_session_that_was_told_and_is_part_of_another_is_taken_back(self) -> None:
        processor = StreamProcessor(
            WindowType.Session(10), SUM, emit="updates", out_of_orderness=20
        )
        processor.process_batch([event(0, 1), event(18, 2)])

        assert told(processor.process_event(event(9, 4))) == [
            (18, 28, None, "final 1"),
            (0, 28, 7, "so far 1"),
        ]

    def test_a_session_that_begins_earlier_than_was_told_is_another(self) -> None:
        processor = StreamProcessor(
            WindowType.Session(10), SUM, emit="updates", out_of_orderness=20
        )
        processor.process_event(event(5, 1))

        assert told(processor.process_event(event(3, 2))) == [
            (5, 15, None, "final 1"),
            (3, 15, 3, "so far 0"),
        ]

    def test_a_late_event_may_open_a_session_again(self) -> None:
        processor = StreamProcessor(WindowType.Session(10), SUM, allowed_lateness=20)
        processor.process_event(event(0, 1))

        assert told(processor.advance(12)) == [(0, 10, 1, "final 0")]
        assert processor.process_event(event(8, 2)) == []
        assert told(processor.advance(19)) == [(0, 18, 3, "final 1")]
        assert told(processor.process_event(event(1, 4))) == [(0, 18, 7, "final 2")]
        assert processor.get_stats().open_windows == 1
        processor.advance(39)
        assert processor.get_stats().open_windows == 0

    def test_sessions_of_a_key_that_began_in_another_order_are_restored_in_order(self) -> None:
        processor = StreamProcessor(WindowType.Session(10), SUM, out_of_orderness=100)
        processor.process_batch([event(50, 1), event(0, 2), event(25, 4)])
        restored = StreamProcessor(WindowType.Session(10), SUM, out_of_orderness=100)
        restored.restore(processor.snapshot())

        assert restored.process_batch([event(3, 8), event(55, 16)]) == []
        assert told(restored.advance(99)) == [
            (0, 13, 10, "final 0"),
            (25, 35, 4, "final 0"),
            (50, 65, 17, "final 0"),
        ]

    def test_functions_that_cannot_merge_are_refused(self) -> None:
        folding = AggregationFunction.Fold(lambda: 0, lambda state, value: state + value)

        with pytest.raises(ConfigError, match="'total' of processor 'p' cannot merge"):
            StreamProcessor(WindowType.Session(10), {"total": folding}, name="p")


class TestCountWindows:
    def test_a_result_comes_after_each_count_of_events_of_a_key(self) -> None:
        processor = StreamProcessor(WindowType.Count(2), SUM)

        results = processor.process_batch(
            [event(5, 1), event(9, 9, key="other"), event(-99, 2), event(0, 3), event(0, 4)]
        )

        assert told(results) == [(0, 2, 3, "final 0"), (2, 4, 7, "final 0")]

    def test_with_a_slide_it_is_over_the_last_events(self) -> None:
        processor = StreamProcessor(WindowType.Count(4, slide=2), AggregationFunction.Collect())

        assert told(processor.process_batch(event(0, n) for n in range(1, 7))) == [
            (-2, 2, [1, 2], "final 0"),
            (0, 4, [1, 2, 3, 4], "final 0"),
            (2, 6, [3, 4, 5, 6], "final 0"),
        ]

    def test_a_slide_longer_than_the_count_leaves_events_out(self) -> None:
        processor = StreamProcessor(WindowType.Count(1, slide=3), AggregationFunction.Collect())

        assert told(processor.process_batch(event(0, n) for n in range(1, 7))) == [
            (2, 3, [3], "final 0"),
            (5, 6, [6], "final 0"),
        ]

    def test_time_neither_closes_them_nor_makes_events_late(self) -> None:
        processor = StreamProcessor(WindowType.Count(2), SUM, emit="updates")

        assert told(processor.process_event(event(100))) == [(0, 2, 1, "so far 0")]
        assert processor.advance(YEAR) == []
        assert told(processor.process_event(event(-YEAR))) == [(0, 2, 2, "final 1")]


class TestKeys:
    @pytest.mark.parametrize(
        "make",
        [
            lambda: float("nan"),
            lambda: (1, float("nan")),
            lambda: (1, ("a", Decimal("NaN"))),
            lambda: None,
            lambda: -0.0,
        ],
    )
    @pytest.mark.parametrize(
        "window", [WindowType.Tumbling(10), WindowType.Session(10), WindowType.Count(2)]
    )
    def test_keys_that_are_the_same_to_sql_are_one(
        self, window: Any, make: Callable[[], Any]
    ) -> None:
        processor = StreamProcessor(window, SUM)
        results = processor.process_batch([event(1, 1, make()), event(2, 2, make())])
        results += processor.advance(99)

        assert [result.values for result in results] == [{"value": 3}]

    @pytest.mark.parametrize(
        "window", [WindowType.Tumbling(10), WindowType.Session(10), WindowType.Count(1)]
    )
    def test_negative_zero_is_zero(self, window: Any) -> None:
        processor = StreamProcessor(window, SUM)
        results = processor.process_batch([event(1, 1, -0.0), event(1, 1, 0.0), event(50, 1, -0.0)])
        results += processor.advance(99)

        assert {str(result.key) for result in results} == {"0.0"}


class TestRetraction:
    def test_a_value_with_negative_weight_is_taken_back(self) -> None:
        processor = StreamProcessor(WindowType.Tumbling(10), {"n": COUNT, "total": SUM})
        processor.process_batch([event(1, 5), event(2, 6), event(1, 5, weight=-1)])

        assert [result.values for result in processor.advance(10)] == [{"n": 1, "total": 6}]

    def test_a_window_of_which_everything_was_taken_back_is_told_as_empty(self) -> None:
        processor = StreamProcessor(WindowType.Tumbling(10), COUNT)
        processor.process_batch([event(1), event(1, weight=-1)])

        assert told(processor.advance(10)) == [(0, 10, 0, "final 0")]

    @pytest.mark.parametrize("window", [WindowType.Tumbling(10), WindowType.Sliding(10, 5)])
    def test_what_cannot_be_taken_back_by_all_aggregates_is_taken_back_by_none(
        self, window: Any
    ) -> None:
        processor = StreamProcessor(window, {"n": COUNT, "last": AggregationFunction.Last()})
        processor.process_batch([event(1, 5), event(2, 6)])

        with pytest.raises(Unaggregatable, match="last"):
            processor.process_event(event(1, 5, weight=-1))

        assert processor.advance(10)[-1].values == {"n": 2, "last": 6}

    def test_windows_that_are_emptied_are_told_as_empty(self) -> None:
        processor = StreamProcessor(
            WindowType.Tumbling(10), COUNT, allowed_lateness=5, out_of_orderness=3
        )
        processor.process_batch([event(8), event(14)])

        assert told(processor.clear()) == [(0, 10, 0, "final 1")]
        assert told(processor.advance(99)) == [(10, 20, 0, "final 0")]

    def test_a_retraction_does_not_shorten_a_session(self) -> None:
        processor = StreamProcessor(WindowType.Session(10), COUNT)
        processor.process_batch([event(1), event(9), event(9, weight=-1)])

        assert told(processor.advance(99)) == [(1, 19, 1, "final 0")]


class TestProcessingTime:
    def test_an_event_belongs_to_the_time_that_was_told(self) -> None:
        processor = StreamProcessor(WindowType.Tumbling(10), SUM, time="processing")
        processor.advance(100)
        processor.process_batch([event(-5, 1), event(YEAR, 2)])

        assert told(processor.advance(110)) == [(100, 110, 3, "final 0")]
        assert processor.get_stats().late == 0

    def test_an_event_before_any_time_was_told_is_refused(self) -> None:
        processor = StreamProcessor(WindowType.Tumbling(10), SUM, name="p", time="processing")

        with pytest.raises(BridgeError, match="'p' works in processing time and does not know"):
            processor.process_event(event(1))


class TestSettings:
    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"emit": "changes"}, "emit of processor 'p' is 'changes'. It has to be final or"),
            ({"time": "wall"}, "time of processor 'p' is 'wall'. It has to be event or"),
            ({"allowed_lateness": -1}, "allowed_lateness is -1"),
            ({"out_of_orderness": -1}, "out_of_orderness is -1"),
            ({"time": "processing", "allowed_lateness": 1}, "'p' has allowed_lateness, but none"),
            ({"time": "processing", "out_of_orderness": 1}, "'p' has out_of_orderness, but none"),
        ],
    )
    def test_a_setting_that_makes_no_sense_is_refused_by_name(
        self, settings: dict[str, Any], message: str
    ) -> None:
        with pytest.raises(ConfigError, match=message):
            StreamProcessor(WindowType.Tumbling(10), SUM, name="p", **settings)

    @pytest.mark.parametrize(
        ("window", "what"),
        [("tumbling", "a str"), (60, "a int"), (WindowType.Tumbling, "the class Tumbling")],
    )
    def test_what_is_no_window_is_refused(self, window: Any, what: str) -> None:
        with pytest.raises(ConfigError, match=f"The window of processor 'p' is {what}"):
            StreamProcessor(window, SUM, name="p")

    @pytest.mark.parametrize(
        ("aggregates", "message"),
        [
            (AggregationFunction.Count, "'value' of processor 'p' is the class Count"),
            ([COUNT, SUM], "'value' of processor 'p' is a list"),
            ({"n": "count()"}, "'n' of processor 'p' is a str"),
        ],
    )
    def test_what_is_no_aggregate_is_refused(self, aggregates: Any, message: str) -> None:
        with pytest.raises(ConfigError, match=message):
            StreamProcessor(WindowType.Tumbling(10), aggregates, name="p")

    def test_lateness_means_nothing_to_count_windows(self) -> None:
        with pytest.raises(ConfigError, match="allowed_lateness, but none of its events"):
            StreamProcessor(WindowType.Count(10), SUM, allowed_lateness=1)

    def test_without_aggregates_there_is_nothing_to_tell(self) -> None:
        with pytest.raises(ConfigError, match="Processor 'p' has no aggregates"):
            StreamProcessor(WindowType.Tumbling(10), {}, name="p")


def test_statistics_say_what_it_has_seen_and_keeps() -> None:
    processor = StreamProcessor(WindowType.Sliding(10, 5), COUNT)
    processor.process_batch([event(7, key="a"), event(8, key="b"), event(12, key="a")])
    processor.process_event(event(-50))

    stats = processor.get_stats()

    assert (stats.events, stats.late, stats.results) == (4, 1, 2)
    assert (stats.open_windows, stats.keys, stats.watermark) == (3, 2, 12)


def test_a_value_that_an_aggregate_cannot_take_is_an_error_and_a_snapshot_goes_on() -> None:
    processor = StreamProcessor(WindowType.Tumbling(10), {"n": COUNT, "total": SUM})
    processor.process_event(event(1, 5))
    state = processor.snapshot()

    with pytest.raises(Unaggregatable, match="sum"):
        processor.process_event(event(2, "five"))

    processor.restore(state)
    assert [result.values for result in processor.advance(10)] == [{"n": 1, "total": 5}]


def test_a_late_event_does_not_begin_a_session_where_another_one_was_told() -> None:
    processor = StreamProcessor(WindowType.Session(12), AggregationFunction.Count())
    (first,) = processor.process_event(event(-13)) + processor.advance(0)
    processor.process_event(event(-2))  # still in time: its session would end at 10

    processor.process_event(event(-13))  # near that session, but late by itself

    assert processor.take_late() == [event(-13)]
    (second,) = processor.advance(100)
    assert (first.start, second.start) == (-13, -2)
    assert first.id != second.id


def test_a_late_event_inside_a_session_that_is_kept_counts() -> None:
    processor = StreamProcessor(WindowType.Session(12), AggregationFunction.Count())
    processor.process_batch([event(0), event(10)])
    processor.advance(20)

    processor.process_event(event(1))

    assert processor.take_late() == []
    assert [result.values for result in processor.advance(100)] == [{"value": 3}]
