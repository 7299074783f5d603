"""Global windows, windows that are emptied, and events that do not move the time."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.errors import BridgeError, ConfigError
from bridge.processing import AggregationFunction, StreamEvent, StreamProcessor, WindowType
from bridge.processing.aggregates import Unaggregatable
from bridge.processing.events import normal_key
from bridge.processing.watermark import BEGINNING, END

AGGREGATES = {
    "n": AggregationFunction.Count(),
    "sum": AggregationFunction.Sum(),
    "most": AggregationFunction.Max(changelog=True),
    "all": AggregationFunction.Collect(changelog=True),
}


def global_windows() -> StreamProcessor:
    return StreamProcessor(WindowType.Global(), AGGREGATES, emit="updates")


@st.composite
def changes(draw: Any) -> list[StreamEvent]:
    """Events, some of which take an earlier one back; timestamps are in no order."""
    added: list[StreamEvent] = []
    events: list[StreamEvent] = []
    for sequence in range(draw(st.integers(0, 30))):
        if added and draw(st.booleans()):
            taken = added.pop(draw(st.integers(0, len(added) - 1)))
            events.append(taken._replace(weight=-1))
        else:
            key = draw(st.sampled_from([None, (1,), (float("nan"),)]))
            event = StreamEvent(
                key, draw(st.integers(-5, 5)), draw(st.integers(-3, 3)), 1, sequence
            )
            added.append(event)
            events.append(event)
    return events


def expected_of(events: list[StreamEvent]) -> dict[str, dict[str, Any]]:
    """Compute the aggregates of each key anew from what is there at the end."""
    rows: dict[str, dict[int, StreamEvent]] = {}
    for event in events:
        of_key = rows.setdefault(repr(event.key), {})
        if event.weight > 0:
            of_key[event.sequence] = event
        else:
            del of_key[event.sequence]
    found = {}
    for key, of_key in rows.items():
        present = sorted(of_key.values(), key=lambda event: (event.timestamp, event.sequence))
        values = [event.value for event in present]
        found[key] = {
            "n": len(values),
            "sum": sum(values) if values else None,
            "most": max(values, default=None),
            "all": values,
        }
    return found


@given(events=changes(), data=st.data())
def test_the_last_result_of_a_key_is_what_all_its_events_give(
    events: list[StreamEvent], data: Any
) -> None:
    processor, last = global_windows(), {}
    revisions: dict[str, int] = {}
    cut = data.draw(st.integers(0, len(events)))
    for place, event in enumerate(events):
        if place == cut:
            state = processor.snapshot()
            processor = global_windows()
            processor.restore(state)
        [result] = processor.process_event(event)
        key = repr(result.key)
        assert (result.start, result.end, result.final) == (BEGINNING, END, False)
        assert result.revision == revisions.get(key, -1) + 1
        revisions[key], last[key] = result.revision, result.values
    assert last == expected_of(events)
    assert processor.get_stats().late == 0
    assert processor.advance(END) == []


def test_a_global_window_has_to_tell_updates_and_nothing_is_late_in_it() -> None:
    with pytest.raises(ConfigError, match="never ends"):
        StreamProcessor(WindowType.Global(), AGGREGATES)
    with pytest.raises(ConfigError, match="can be late"):
        StreamProcessor(WindowType.Global(), AGGREGATES, emit="updates", out_of_orderness=1)


def counts(results: Any) -> list[Any]:
    return [(r.key, r.start, r.values["n"], r.final, r.revision) for r in results]


COUNT = {"n": AggregationFunction.Count()}


@pytest.mark.parametrize("window", [WindowType.Tumbling(10), WindowType.Sliding(10, 10)])
def test_windows_that_are_emptied_tell_what_was_told_and_go_on(window: Any) -> None:
    processor = StreamProcessor(window, COUNT, allowed_lateness=100)
    processor.process_batch([StreamEvent("a", 1, 1), StreamEvent("a", 11, 1)])
    assert counts(processor.clear()) == [("a", 0, 0, True, 1)]
    assert counts(processor.process_event(StreamEvent("a", 12, 1))) == []
    assert counts(processor.advance(20)) == [("a", 10, 1, True, 0)]
    assert counts(processor.process_event(StreamEvent("a", 2, 1))) == [("a", 0, 1, True, 2)]


def test_a_global_window_that_is_emptied_tells_it() -> None:
    processor = StreamProcessor(WindowType.Global(), COUNT, emit="updates")
    processor.process_batch([StreamEvent("a", 1, 1), StreamEvent("b", 1, 1)])
    assert [(r.key, r.values, r.revision) for r in processor.clear()] == [
        ("a", {"n": 0}, 1),
        ("b", {"n": 0}, 1),
    ]


@pytest.mark.parametrize("window", [WindowType.Session(1), WindowType.Count(1)])
def test_sessions_and_counts_cannot_be_emptied(window: Any) -> None:
    with pytest.raises(BridgeError, match="cannot be emptied"):
        StreamProcessor(window, COUNT).clear()


@pytest.mark.parametrize(
    "window", [WindowType.Tumbling(10), WindowType.Sliding(10, 10), WindowType.Session(5)]
)
def test_events_that_do_not_move_the_time_make_none_late(window: Any) -> None:
    processor = StreamProcessor(window, COUNT)
    events = [StreamEvent("a", timestamp, 1) for timestamp in (100, 1, 50, 2)]
    assert processor.process_batch(events, moves_time=False) == []
    assert processor.get_stats().late == 0
    results = processor.process_event(StreamEvent("a", 200, 1))
    assert [result.values["n"] for result in results if result.values] == [2, 1, 1]


def test_a_retraction_that_fails_half_way_leaves_the_window_as_it_was() -> None:
    aggregates = {"n": AggregationFunction.Count(), "sum": AggregationFunction.Sum("x")}
    processor = StreamProcessor(WindowType.Global(), aggregates, emit="updates")
    processor.process_event(StreamEvent("a", 1, {"x": 1}))
    with pytest.raises(Unaggregatable):
        processor.process_event(StreamEvent("a", 1, {"x": Decimal("1.5")}, -1))
    [result] = processor.process_event(StreamEvent("a", 1, {"x": 2}))
    assert result.values == {"n": 2, "sum": 3}


def test_the_nan_of_expressions_is_one_key() -> None:
    from bridge.expressions.floats import FLOAT_NAN
    from bridge.expressions.numbers import NUMERIC_NAN

    for nan in (FLOAT_NAN, NUMERIC_NAN, float("nan"), Decimal("NaN")):
        assert len({normal_key((nan,)), normal_key((nan,))}) == 1
