"""Patterns in partitions: the same matches in the same order, whatever is in memory."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.core.errors import EnvironmentProblem
from bridge.processing.events import StreamEvent
from bridge.processing.partitions import PartitionMemory
from bridge.processing.partitions.patterns import PartitionedMatcher
from bridge.processing.patterns import Pattern, PatternMatcher
from tests.unit.processing.partitions.stored import StoredPartitions
from tests.unit.processing.partitions.twins import LIMITS, run_twins, stops
from tests.unit.processing.patterns.notation import END, is_a
from tests.unit.processing.patterns.test_oracle import cases, pattern_of, stream_of
from tests.unit.processing.patterns.test_state import SKIPS

KEYS = (("a",), ("b",), ("c", None), None, (float("nan"),))


def told(matcher: PatternMatcher, matches: list[Any]) -> list[Any]:
    answers = [*matches, *matcher.take_timed_out()]
    return [(answer.id, repr(tuple(answer))) for answer in answers]


def give(matcher: PatternMatcher, step: StreamEvent | int) -> list[Any]:
    if isinstance(step, int):
        return told(matcher, matcher.advance(step))
    return told(matcher, matcher.process_event(step, moves_time=step.sequence % 4 > 0))


def flush(matcher: PatternMatcher) -> list[Any]:
    return [answer for matches in matcher.flush() for answer in told(matcher, matches)]


@st.composite
def streams(draw: st.DrawFn) -> tuple[Pattern, int, list[StreamEvent | int]]:
    """Draw a pattern, a bound, and the events of several keys with watermarks between them."""
    case = draw(cases())
    pattern = replace(pattern_of(case), skip=draw(st.sampled_from(SKIPS)))
    events = [
        event._replace(key=key, timestamp=3 * event.timestamp + shift, sequence=0)
        for shift, key in enumerate(draw(st.lists(st.sampled_from(KEYS), min_size=1, max_size=4)))
        for event in stream_of(case)
    ]
    delays = draw(st.lists(st.integers(0, 6), min_size=len(events), max_size=len(events)))
    order = sorted(range(len(events)), key=lambda at: events[at].timestamp + delays[at])
    steps: list[StreamEvent | int] = []
    for sequence, at in enumerate(order):
        steps.append(events[at]._replace(sequence=sequence))
        if draw(st.integers(0, 5)) == 0:
            steps.append(events[at].timestamp + draw(st.integers(-3, 9)))
    return pattern, draw(st.integers(0, 6)), [*steps, END]


def check(data: st.DataObject) -> None:
    pattern, bound, steps = data.draw(streams())
    run_twins(
        lambda: PatternMatcher(pattern, out_of_orderness=bound),
        lambda memory: PartitionedMatcher(
            pattern, memory=memory, state_name="m-1", out_of_orderness=bound
        ),
        give,
        flush,
        steps,
        data.draw(stops(len(steps))),
        data.draw(LIMITS),
    )


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_it_gives_what_one_piece_gives(data: st.DataObject) -> None:
    check(data)


@pytest.mark.nightly
@settings(max_examples=2000, deadline=None)
@given(st.data())
def test_it_gives_what_one_piece_gives_at_length(data: st.DataObject) -> None:
    check(data)


PAIR = Pattern.begin("a").where(is_a("a")).followed_by("b").where(is_a("b")).within(100)


def test_partial_matches_time_out_in_partitions_that_are_stored() -> None:
    store = StoredPartitions()
    matcher = PartitionedMatcher(PAIR, memory=PartitionMemory(0, store), state_name="m-1")
    for number in range(500):
        matcher.process_event(StreamEvent((number,), number // 10, "a", sequence=number))
    assert [match for matches in matcher.flush() for match in matches] == []
    store.loads = 0
    matcher.advance(125)
    lost = [each for _ in matcher.flush() for each in matcher.take_timed_out()]
    assert [each.end for each in lost] == sorted(100 + number // 10 for number in range(260))
    assert [each.key for each in lost] == [(number,) for number in range(260)]
    assert 0 < store.loads <= 64
    assert matcher.get_stats().partial_matches == 240


def test_a_matcher_in_one_piece_refuses_partitions() -> None:
    memory = PartitionMemory(0, StoredPartitions())
    state = PartitionedMatcher(PAIR, memory=memory, state_name="m-1").snapshot()
    with pytest.raises(EnvironmentProblem, match="'pattern' is stored in partitions"):
        PatternMatcher(PAIR).restore(state)
