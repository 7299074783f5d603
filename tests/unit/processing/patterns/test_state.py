"""State survives: a restored matcher goes on as if nothing had happened. Disorder does not show."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.core.errors import ConfigError
from bridge.processing.events import StreamEvent
from bridge.processing.patterns import AfterMatchSkip, Pattern, PatternMatch, PatternMatcher

from .notation import END, is_a, stream
from .test_oracle import Case, cases, pattern_of, stream_of

SKIPS = (
    AfterMatchSkip.no_skip(),
    AfterMatchSkip.skip_to_next(),
    AfterMatchSkip.skip_past_last_event(),
    AfterMatchSkip.skip_to_first("0"),
    AfterMatchSkip.skip_to_last("0"),
)


@st.composite
def disordered(draw: st.DrawFn, case: Case, bound: int) -> list[StreamEvent]:
    """Draw the events of two keys in an order in which none is late."""
    events = [event._replace(key=draw(st.sampled_from("xy"))) for event in stream_of(case)]
    delays = {event: event.timestamp + draw(st.integers(0, bound)) for event in events}
    return sorted(events, key=delays.__getitem__)


def outcome(matcher: PatternMatcher, matches: list[PatternMatch]) -> list[object]:
    return [
        [(match, match.id) for match in matches],
        matcher.take_late(),
        matcher.take_timed_out(),
        matcher.get_stats(),
        matcher.snapshot(),
    ]


def cut_anywhere(data: st.DataObject) -> None:
    case = data.draw(cases())
    pattern = replace(pattern_of(case), skip=data.draw(st.sampled_from(SKIPS)))
    bound = data.draw(st.integers(0, 4))
    events = data.draw(disordered(case, data.draw(st.integers(0, 5))))
    cut = data.draw(st.integers(0, len(events)))

    def new() -> PatternMatcher:
        return PatternMatcher(pattern, out_of_orderness=bound)

    original, first = new(), new()
    expected = [match for event in events for match in original.process_event(event)]
    expected += original.advance(END)
    matches = [match for event in events[:cut] for match in first.process_event(event)]
    state = first.snapshot()
    stored = json.dumps(state)
    second = new()
    second.restore(state)
    matches += [match for event in events[cut:] for match in second.process_event(event)]
    matches += second.advance(END)

    assert outcome(second, matches) == outcome(original, expected)
    assert json.dumps(state) == stored  # what was taken is a copy
    assert json.dumps(first.snapshot()) == stored


def sorted_or_not(data: st.DataObject) -> None:
    case = data.draw(cases())
    pattern = replace(pattern_of(case), skip=data.draw(st.sampled_from(SKIPS)))
    bound = data.draw(st.integers(0, 6))
    events = data.draw(disordered(case, bound))

    results = []
    for order in (events, sorted(events, key=lambda event: event.sequence)):
        matcher = PatternMatcher(pattern, out_of_orderness=bound)
        matches = [match for event in order for match in matcher.process_event(event)]
        matches += matcher.advance(END)
        assert matcher.take_late() == []
        results.append((matches, matcher.take_timed_out(), matcher.get_stats()))

    assert results[0] == results[1]


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_restored_matcher_goes_on_as_the_original_would(data: st.DataObject) -> None:
    cut_anywhere(data)


@pytest.mark.nightly
@settings(max_examples=2000, deadline=None)
@given(st.data())
def test_a_restored_matcher_goes_on_as_the_original_would_at_length(data: st.DataObject) -> None:
    cut_anywhere(data)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_disorder_within_the_bound_changes_nothing(data: st.DataObject) -> None:
    sorted_or_not(data)


@pytest.mark.nightly
@settings(max_examples=2000, deadline=None)
@given(st.data())
def test_disorder_within_the_bound_changes_nothing_at_length(data: st.DataObject) -> None:
    sorted_or_not(data)


def test_the_state_of_another_pattern_is_refused() -> None:
    other = PatternMatcher(Pattern.begin("a").next("c"))

    with pytest.raises(ConfigError, match="other steps"):
        PatternMatcher(Pattern.begin("a").next("b"), name="mine").restore(other.snapshot())


def test_partial_matches_share_the_events_they_have_in_common() -> None:
    pattern = Pattern.begin("a").where(is_a("a")).followed_by("b").where(is_a("b"))
    pattern = pattern.one_or_more().allow_combinations().followed_by("c").where(is_a("c"))
    matcher = PatternMatcher(pattern)
    for event in stream("a b1 b2 b3 b4 b5 x"):
        matcher.process_event(event)
    matcher.advance(END)

    nodes = matcher.snapshot()["runs"]["nodes"]

    # a, then b1 with each of the 16 subsets of b2 to b5: a node for the last event of each. After
    # each subset one run waits for another b, and one for c.
    assert len(nodes) == 1 + 16
    assert matcher.get_stats().partial_matches == 2 * 16
