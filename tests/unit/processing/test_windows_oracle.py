"""Windows against a brute-force computation over the complete list of events."""

from __future__ import annotations

import pickle
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from itertools import chain
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.processing.aggregates import AggregationFunction
from bridge.processing.events import StreamEvent
from bridge.processing.processor import StreamProcessor
from bridge.processing.watermark import BEGINNING
from bridge.processing.windows import WindowResult, WindowType

FOREVER = 10**6
AGGREGATES = {
    "count": AggregationFunction.Count(),
    "sum": AggregationFunction.Sum(),
    "min": AggregationFunction.Min(),
}

lengths = st.sampled_from([1, 2, 3, 5, 12])
offsets = st.integers(-15, 15)
aligned = st.one_of(
    st.builds(WindowType.Tumbling, lengths, offsets),
    st.builds(WindowType.Sliding, lengths, lengths, offsets),
)
sessions = st.builds(WindowType.Session, lengths)
windows = st.one_of(
    aligned,
    sessions,
    st.builds(WindowType.Count, st.integers(1, 5), st.none() | st.integers(1, 6)),
)
emissions = st.sampled_from(["final", "updates"])
keys = st.sampled_from([1, 1, 1, 1, 1, 1, "a", None, (2, "b"), 0.0, -0.0]) | st.builds(
    lambda: float("nan")  # another object each time
)


@dataclass(frozen=True)
class Case:
    """A processor, and the events and watermarks (as numbers) that it is given."""

    window: Any
    emit: Literal["final", "updates"]
    bound: int
    lateness: int
    steps: list[StreamEvent | int]

    def processor(self) -> StreamProcessor:
        return StreamProcessor(
            self.window,
            AGGREGATES,
            name="p",
            emit=self.emit,
            out_of_orderness=self.bound,
            allowed_lateness=self.lateness,
        )

    @property
    def events(self) -> list[StreamEvent]:
        return [step for step in self.steps if isinstance(step, StreamEvent)]


@st.composite
def cases(draw: st.DrawFn, kinds: st.SearchStrategy[Any], *, late: bool) -> Case:
    """Draw a case. Unless ``late``, events keep to the bound, or to an endless lateness."""
    window = draw(kinds)
    counting = isinstance(window, WindowType.Count)
    bound = 0 if counting else draw(st.sampled_from([0, 3, 15]))
    lateness = 0 if counting else draw(st.sampled_from([0, 1, 7] if late else [0, FOREVER]))
    anyhow = late or lateness > 0 or counting
    disorder = draw(st.sampled_from([5, 15, 100])) if anyhow else bound
    drawn = draw(
        st.lists(
            st.tuples(st.integers(-20, 20), st.integers(0, disorder), keys, st.integers(-9, 9)),
            max_size=14,
        )
    )
    drawn.sort(key=lambda one: one[0] + one[1])
    events = [
        StreamEvent(key, timestamp, value, sequence=number)
        for number, (timestamp, _, key, value) in enumerate(drawn)
    ]
    steps: list[StreamEvent | int] = []
    for number, event in enumerate(events):
        if draw(st.integers(0, 4)) == 0:
            coming = min(later.timestamp for later in events[number:])
            highest = event.timestamp + 20 if anyhow else coming
            steps.append(draw(st.integers(coming - 10, highest)))
        steps.append(event)
    return Case(window, draw(emissions), bound, lateness, steps)


def plain(key: Any) -> Any:
    return "a NaN" if key != key else key


def brute_force(window: Any, events: Iterable[StreamEvent], *, partly: bool) -> dict[Any, Any]:
    """Return end and aggregates by key and start, of all windows of the complete list.

    Args:
        window: its definition.
        events: in order of arrival.
        partly: with count windows that are not full.
    """
    contents: dict[Any, list[StreamEvent]] = {}
    by_key: dict[Any, list[StreamEvent]] = defaultdict(list)
    for event in events:
        by_key[plain(event.key)].append(event)
    for key, own in by_key.items():
        if isinstance(window, WindowType.Count):
            slide = window.slide or window.count
            for end in range(slide, len(own) + window.count + slide + 1, slide):
                held = own[max(0, end - window.count) : end]
                if held and (end <= len(own) or partly):
                    contents[key, end - window.count, end] = held
        elif isinstance(window, WindowType.Session):
            runs: list[list[StreamEvent]] = []
            for event in sorted(own, key=lambda event: event.timestamp):
                if not runs or event.timestamp - runs[-1][-1].timestamp > window.gap:
                    runs.append([])
                runs[-1].append(event)
            for run in runs:
                contents[key, run[0].timestamp, run[-1].timestamp + window.gap] = run
        else:
            slide = getattr(window, "slide", window.size)
            for start in range(-60, 120):
                if (start - window.offset) % slide == 0:
                    end = start + window.size
                    if held := [event for event in own if start <= event.timestamp < end]:
                        contents[key, start, end] = held
    return {(key, start): (end, values_of(held)) for (key, start, end), held in contents.items()}


def values_of(events: list[StreamEvent]) -> dict[str, int]:
    values = [event.value for event in events]
    return {"count": len(values), "sum": sum(values), "min": min(values)}


class Consumer:
    """Keeps one entry for each window, as a sink that upserts does."""

    def __init__(self) -> None:
        self.table: dict[Any, WindowResult] = {}
        self._revisions: dict[Any, int] = defaultdict(int)
        self._ids: set[str] = set()

    def take(self, results: list[WindowResult]) -> None:
        for result in results:
            window = plain(result.key), result.start
            assert result.revision == self._revisions[window]
            self._revisions[window] += 1
            assert result.id not in self._ids
            self._ids.add(result.id)
            if result.values is None:
                assert result.final
                del self.table[window]
            else:
                self.table[window] = result

    @property
    def windows(self) -> dict[Any, Any]:
        return {window: (result.end, result.values) for window, result in self.table.items()}


def give(processor: StreamProcessor, step: StreamEvent | int) -> list[WindowResult]:
    return processor.advance(step) if isinstance(step, int) else processor.process_event(step)


def has_passed(case: Case, result: WindowResult, watermark: int, arrived: int) -> bool:
    if isinstance(case.window, WindowType.Count):
        return result.end <= arrived
    if isinstance(case.window, WindowType.Session):
        return result.end < watermark
    return result.end <= watermark


def check_nothing_is_lost(case: Case) -> None:
    processor, consumer = case.processor(), Consumer()
    updates = case.emit == "updates"
    given: list[StreamEvent] = []
    for step in case.steps:
        results = give(processor, step)
        given += [step] if isinstance(step, StreamEvent) else []
        consumer.take(results)
        if updates:  # what a consumer has is true after each event
            assert consumer.windows == brute_force(case.window, given, partly=True)
            for result in consumer.table.values():
                arrived = sum(plain(event.key) == plain(result.key) for event in given)
                watermark = processor.get_stats().watermark
                assert result.final == has_passed(case, result, watermark, arrived)
        elif not case.lateness:
            assert all(result.final and result.revision == 0 for result in results)
    consumer.take(processor.advance(FOREVER // 2))
    assert consumer.windows == brute_force(case.window, case.events, partly=updates)
    if not isinstance(case.window, WindowType.Count):
        assert all(result.final for result in consumer.table.values())
    assert processor.take_late() == []


def check_late_events(case: Case) -> None:
    """Compute each result of windows that do not depend on their events, with all late events."""
    processor, watermark = case.processor(), BEGINNING
    held: dict[Any, list[StreamEvent]] = {}
    told: dict[Any, int] = defaultdict(int)
    late = []
    for step in case.steps:
        expected = []
        if isinstance(step, StreamEvent):
            own = brute_force(case.window, [step], partly=True)
            fresh = {w: end for w, (end, _) in own.items() if end + case.lateness > watermark}
            if own and not fresh:
                late.append(step)
            for window, end in sorted(fresh.items(), key=lambda item: item[1]):
                held.setdefault((*window, end), []).append(step)
                if case.emit == "updates" or end <= watermark:
                    expected.append(((*window, end), end <= watermark))
            reached = max(watermark, step.timestamp - case.bound)
        else:
            reached = max(watermark, step)
        closing = [window for window in held if watermark < window[2] <= reached]
        expected += [(window, True) for window in sorted(closing, key=lambda window: window[2])]
        results = give(processor, step)
        assert [((plain(r.key), r.start, r.end), r.final) for r in results] == expected
        for result in results:
            window = plain(result.key), result.start, result.end
            assert result.values == values_of(held[window])
            assert result.revision == told[window]
            told[window] += 1
        watermark = reached
    assert processor.take_late() == late
    assert processor.get_stats().late == len(late)


def check_late_events_of_sessions(case: Case) -> None:
    """Keep sessions as lists of events, as long as an event may join them, and look at them all."""
    processor, consumer, watermark = case.processor(), Consumer(), BEGINNING
    gap, kept, gone = case.window.gap, list[list[StreamEvent]](), list[list[StreamEvent]]()
    for step in case.steps:
        consumer.take(give(processor, step))
        late = []
        if isinstance(step, StreamEvent):
            touched = [
                run
                for run in kept
                if plain(run[0].key) == plain(step.key)
                and first_of(run) - gap <= step.timestamp <= last_of(run) + gap
            ]
            inside = any(first_of(run) <= step.timestamp for run in touched)
            if inside or step.timestamp + gap + case.lateness >= watermark:
                kept = [run for run in kept if run not in touched]
                kept.append([*chain.from_iterable(touched), step])
            else:
                late.append(step)
        reached = step.timestamp - case.bound if isinstance(step, StreamEvent) else step
        watermark = max(watermark, reached)
        gone += [run for run in kept if last_of(run) + gap + case.lateness < watermark]
        kept = [run for run in kept if last_of(run) + gap + case.lateness >= watermark]
        assert processor.take_late() == late
        assert processor.get_stats().open_windows == len(kept)
        for run in kept + gone:
            told = consumer.table.get((plain(run[0].key), first_of(run)))
            ended = last_of(run) + gap < watermark
            if ended or case.emit == "updates":
                assert told is not None
                assert told.values == values_of(run)
                assert (told.end, told.final) == (last_of(run) + gap, ended)
    consumer.take(processor.advance(2 * FOREVER))
    assert consumer.windows == {
        (plain(run[0].key), first_of(run)): (last_of(run) + gap, values_of(run))
        for run in kept + gone
    }


def first_of(run: list[StreamEvent]) -> int:
    return min(event.timestamp for event in run)


def last_of(run: list[StreamEvent]) -> int:
    return max(event.timestamp for event in run)


def check_restored(case: Case, cut: int) -> None:
    original = case.processor()
    for step in case.steps[:cut]:
        give(original, step)
    state = original.snapshot()
    kept = repr(state)
    goes_on = [give(original, step) for step in case.steps[cut:]] + [original.advance(FOREVER)]
    assert repr(state) == kept  # a copy, not a view
    assert_plain(state)
    restored = case.processor()
    restored.process_event(StreamEvent("before", 1, 1))
    restored.restore(pickle.loads(pickle.dumps(state)))  # as a store gives it back
    again = [give(restored, step) for step in case.steps[cut:]] + [restored.advance(FOREVER)]
    assert again == goes_on
    assert [r.id for some in again for r in some] == [r.id for some in goes_on for r in some]
    assert restored.get_stats() == original.get_stats()
    assert list(map(repr, restored.take_late())) == list(map(repr, original.take_late()))


def assert_plain(state: Any) -> None:
    if isinstance(state, dict):
        state = [*state.keys(), *state.values()]
    if isinstance(state, list | tuple):
        for part in state:
            assert_plain(part)
    else:
        assert state is None or isinstance(state, bool | int | float | str | Decimal)


def check_batch(case: Case) -> None:
    alone, together = case.processor(), case.processor()
    one_by_one = [result for event in case.events for result in alone.process_event(event)]
    assert together.process_batch(case.events) == one_by_one
    assert together.get_stats() == alone.get_stats()
    assert together.snapshot() == alone.snapshot()


@settings(max_examples=200, deadline=None)
@given(case=cases(windows, late=False))
def test_a_consumer_has_what_the_complete_list_gives(case: Case) -> None:
    check_nothing_is_lost(case)


@settings(max_examples=200, deadline=None)
@given(case=cases(aligned, late=True))
def test_late_events_count_where_they_are_allowed_and_nowhere_else(case: Case) -> None:
    check_late_events(case)


@settings(max_examples=200, deadline=None)
@given(case=cases(sessions, late=True))
def test_an_event_is_in_the_session_that_still_takes_it_or_late(case: Case) -> None:
    check_late_events_of_sessions(case)


@settings(max_examples=200, deadline=None)
@given(case=cases(windows, late=True), data=st.data())
def test_a_restored_processor_goes_on_as_the_original(case: Case, data: Any) -> None:
    check_restored(case, data.draw(st.integers(0, len(case.steps))))


@settings(max_examples=200, deadline=None)
@given(case=cases(windows, late=True))
def test_a_batch_gives_what_its_events_give_alone(case: Case) -> None:
    check_batch(case)


@pytest.mark.nightly
@settings(max_examples=2000, deadline=None)
@given(case=cases(windows, late=False))
def test_a_consumer_has_what_the_complete_list_gives_at_length(case: Case) -> None:
    check_nothing_is_lost(case)


@pytest.mark.nightly
@settings(max_examples=2000, deadline=None)
@given(case=cases(aligned, late=True))
def test_late_events_count_where_they_are_allowed_and_nowhere_else_at_length(case: Case) -> None:
    check_late_events(case)


@pytest.mark.nightly
@settings(max_examples=2000, deadline=None)
@given(case=cases(sessions, late=True))
def test_an_event_is_in_the_session_that_still_takes_it_or_late_at_length(case: Case) -> None:
    check_late_events_of_sessions(case)


@pytest.mark.nightly
@settings(max_examples=2000, deadline=None)
@given(case=cases(windows, late=True), data=st.data())
def test_a_restored_processor_goes_on_as_the_original_at_length(case: Case, data: Any) -> None:
    check_restored(case, data.draw(st.integers(0, len(case.steps))))
