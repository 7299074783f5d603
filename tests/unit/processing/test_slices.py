"""Windows merged from slices against windows that take every event themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.processing.aggregates import AggregationFunction
from bridge.processing.events import StreamEvent
from bridge.processing.processor import StreamProcessor
from bridge.processing.windows import WindowResult, WindowType

AFTER_EVERYTHING = 1_000


def appended(values: list[Any], value: Any) -> list[Any]:
    values.append(value)
    return values


def extended(values: list[Any], others: list[Any]) -> list[Any]:
    others.extend(values)  # what merge is given is its own: it may change both
    return others


def without(values: list[Any], value: Any) -> list[Any]:
    values.remove(value)
    return values


MERGING = {
    "count": AggregationFunction.Count(),
    "mean": AggregationFunction.Avg(),
    "lowest": AggregationFunction.Min(changelog=True),
    "last": AggregationFunction.Last(changelog=True),
    "all": AggregationFunction.Collect(changelog=True),
    "folded": AggregationFunction.Fold(list, appended, extended, without, sorted),
}
"""Of these, sliding windows are merged from slices."""
NOT_MERGING = {**MERGING, "also": AggregationFunction.Fold(int, lambda n, _: n, retract=max)}
"""With one more, each window has to take its events itself."""


@dataclass(frozen=True)
class Case:
    """Sliding windows, and what they are given: events, watermarks as numbers, None to clear."""

    window: WindowType.Sliding
    bound: int
    lateness: int
    steps: list[StreamEvent | int | None]

    def processor(self, aggregates: dict[str, AggregationFunction]) -> StreamProcessor:
        return StreamProcessor(
            self.window,
            aggregates,
            out_of_orderness=self.bound,
            allowed_lateness=self.lateness,
        )


@st.composite
def cases(draw: st.DrawFn) -> Case:
    size = draw(st.integers(2, 13))
    window = WindowType.Sliding(size, draw(st.integers(1, size - 1)), draw(st.integers(-15, 15)))
    steps: list[StreamEvent | int | None] = []
    there: list[StreamEvent] = []
    time = 0
    for number in range(draw(st.integers(0, 20))):
        kind = draw(st.integers(0, 9))
        if kind == 0:
            steps.append(time + draw(st.integers(-5, 10)))
        elif kind == 1 and there:
            gone = there.pop(draw(st.integers(0, len(there) - 1)))
            steps.append(gone._replace(weight=-1))
        elif kind == 2:
            steps.append(None)
            there.clear()
        else:
            time += draw(st.integers(0, 6))
            event = StreamEvent(
                draw(st.sampled_from("abc")),
                time - draw(st.integers(0, 12)),
                draw(st.integers(-9, 9)),
                sequence=number,
            )
            steps.append(event)
            there.append(event)
    return Case(window, draw(st.sampled_from([0, 3, 12])), draw(st.sampled_from([0, 4])), steps)


def give(processor: StreamProcessor, step: StreamEvent | int | None) -> list[WindowResult]:
    if step is None:
        results = processor.clear()
    elif isinstance(step, int):
        results = processor.advance(step)
    else:
        results = processor.process_event(step)
    for result in results:
        assert isinstance(result.values, dict)
        result.values.pop("also", None)
    return results


def check(case: Case) -> None:
    sliced, whole = case.processor(MERGING), case.processor(NOT_MERGING)
    for step in [*case.steps, AFTER_EVERYTHING]:
        assert give(sliced, step) == give(whole, step)
        assert sliced.get_stats() == whole.get_stats()
        assert sliced.take_late() == whole.take_late()
    assert sliced.snapshot()["windows"][1:] == [[], []]


@settings(max_examples=200, deadline=None)
@given(case=cases())
def test_slices_tell_what_whole_windows_tell(case: Case) -> None:
    check(case)


@pytest.mark.nightly
@settings(max_examples=2000, deadline=None)
@given(case=cases())
def test_slices_tell_what_whole_windows_tell_at_length(case: Case) -> None:
    check(case)


def test_an_event_is_added_once_however_many_windows_hold_it() -> None:
    added: list[Any] = []
    noting = AggregationFunction.Fold(
        create=lambda: 0,
        add=lambda total, value: added.append(value) or total + value,
        merge=lambda a, b: a + b,
    )
    processor = StreamProcessor(WindowType.Sliding(100, 1), noting)
    processor.process_event(StreamEvent("k", 0, 5))

    results = processor.advance(AFTER_EVERYTHING)

    assert added == [5]
    assert [result.values for result in results] == [{"value": 5}] * 100
