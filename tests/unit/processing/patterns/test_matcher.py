"""What the matcher does over time: keys, windows, late events, skips, failing conditions."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from bridge.core.errors import BridgeError, ConfigError
from bridge.processing.events import StreamEvent
from bridge.processing.patterns import (
    AfterMatchSkip,
    Pattern,
    PatternFailed,
    PatternMatcher,
    TimedOut,
)
from bridge.processing.patterns.conditions import Matched

from .notation import END, found, is_a, match_all, stream, words


def a_then_b() -> Pattern:
    return Pattern.begin("a").where(is_a("a")).followed_by("b").where(is_a("b"))


def timed_out(matcher: PatternMatcher) -> list[tuple[list[str], int]]:
    return [
        ([event.value for taken in lost.events.values() for event in taken], lost.end)
        for lost in matcher.take_timed_out()
    ]


class TestMatches:
    def test_a_match_says_what_it_consists_of(self) -> None:
        pattern = a_then_b().one_or_more().next("c").where(is_a("c"))
        events = stream("a b1 b2 c")

        (match,) = match_all(PatternMatcher(pattern, name="abc"), events)

        assert match.pattern == "abc"
        assert match.key == "k"
        assert match.events == {"a": [events[0]], "b": events[1:3], "c": [events[3]]}
        assert list(match.events) == ["a", "b", "c"]
        assert (match.start, match.end) == (0, 3)

    def test_a_step_that_took_nothing_is_absent(self) -> None:
        pattern = Pattern.begin("a").where(is_a("a")).next("b").where(is_a("b")).optional()

        matches = match_all(PatternMatcher(pattern), stream("a c"))

        assert [list(match.events) for match in matches] == [["a"]]

    def test_the_id_depends_on_name_key_and_events_alone(self) -> None:
        (one,) = match_all(PatternMatcher(a_then_b(), name="n"), stream("a b"))
        (same,) = match_all(PatternMatcher(a_then_b(), name="n"), stream("a b c"))
        (named,) = match_all(PatternMatcher(a_then_b(), name="m"), stream("a b"))
        (keyed,) = match_all(
            PatternMatcher(a_then_b(), name="n"), [e._replace(key="x") for e in stream("a b")]
        )
        (later,) = match_all(PatternMatcher(a_then_b(), name="n"), stream("a c b"))

        assert one.id == same.id
        assert len({one.id, named.id, keyed.id, later.id}) == 4

    def test_no_values_in_what_is_printed(self) -> None:
        secret = [event._replace(key="secret") for event in stream("a-secret b-secret")]

        (match,) = match_all(PatternMatcher(a_then_b()), secret)

        lost = TimedOut("pattern", "secret", match.events, 0, 5)
        assert "secret" not in repr(match) + repr(lost)

    def test_keys_have_nothing_to_do_with_each_other(self) -> None:
        keys = [None, 1, ("x", float("nan")), ("x", float("nan"))]
        events = [
            StreamEvent(key, at, value)
            for at, (key, value) in enumerate(zip(keys, ["a1", "b1", "a2", "b2"], strict=True))
        ]

        assert words(match_all(PatternMatcher(a_then_b()), events)) == ["a2 b2"]

    def test_retractions_are_counted_and_ignored(self) -> None:
        matcher = PatternMatcher(a_then_b())
        events = stream("a b1 b2")
        events[1] = events[1]._replace(weight=-1)

        assert words(match_all(matcher, events)) == ["a b2"]
        assert matcher.get_stats().retractions == 1


class TestTime:
    def test_events_wait_for_the_watermark(self) -> None:
        matcher = PatternMatcher(a_then_b(), out_of_orderness=10)

        assert matcher.process_event(StreamEvent("k", 105, "b")) == []
        assert matcher.process_event(StreamEvent("k", 100, "a")) == []
        assert matcher.get_stats().waiting == 2
        assert matcher.advance(105) == []
        assert words(matcher.advance(106)) == ["a b"]
        assert matcher.get_stats().waiting == 0

    def test_the_sequence_breaks_ties(self) -> None:
        events = [StreamEvent("k", 7, "b", sequence=2), StreamEvent("k", 7, "a", sequence=1)]

        assert words(match_all(PatternMatcher(a_then_b()), events)) == ["a b"]

    def test_late_events_are_put_aside(self) -> None:
        matcher = PatternMatcher(a_then_b(), out_of_orderness=10)
        late = StreamEvent("k", 89, "a")
        matcher.process_event(StreamEvent("k", 100, "b"))

        assert matcher.process_event(late) == []
        assert matcher.process_event(StreamEvent("k", 90, "a")) == []
        assert matcher.take_late() == [late]
        assert matcher.take_late() == []
        assert matcher.get_stats().late == 1
        assert len(matcher.advance(END)) == 1

    def test_a_watermark_never_goes_back(self) -> None:
        matcher = PatternMatcher(a_then_b())
        matcher.advance(100)
        matcher.advance(50)

        matcher.process_event(StreamEvent("k", 99, "a"))

        assert len(matcher.take_late()) == 1
        assert matcher.get_stats().watermark == 100

    def test_in_processing_time_an_event_is_looked_at_when_it_comes(self) -> None:
        matcher = PatternMatcher(a_then_b().within(10), time="processing")
        matcher.advance(100)

        assert matcher.process_event(StreamEvent("k", 7, "a")) == []
        matcher.advance(105)
        (match,) = matcher.process_event(StreamEvent("k", 3, "b"))
        assert (match.start, match.end) == (100, 105)
        matcher.process_event(StreamEvent("k", 9, "a2"))
        matcher.advance(115)
        assert timed_out(matcher) == [(["a2"], 115)]
        assert matcher.take_late() == []

    def test_in_processing_time_an_event_before_any_time_was_told_is_refused(self) -> None:
        matcher = PatternMatcher(a_then_b(), name="mine", time="processing")

        with pytest.raises(BridgeError, match="mine works in processing time and does not know"):
            matcher.process_event(StreamEvent("k", 1, "a"))

    @pytest.mark.parametrize(
        "settings",
        [{"time": "ingestion"}, {"time": "processing", "out_of_orderness": 1}],
    )
    def test_settings_that_make_no_sense_are_refused(self, settings: dict[str, object]) -> None:
        with pytest.raises(ConfigError, match="mine"):
            PatternMatcher(a_then_b(), name="mine", **settings)  # type: ignore[arg-type]


class TestWindows:
    def test_the_end_of_a_window_does_not_belong_to_it(self) -> None:
        assert found(a_then_b().within(2), "a1 b1") == ["a1 b1"]
        assert found(a_then_b().within(2), "a1 c b1") == []

    def test_partial_matches_time_out(self) -> None:
        matcher = PatternMatcher(a_then_b().within(10))
        for at, value in enumerate(["a1", "a2"]):
            matcher.process_event(StreamEvent("k", at, value))
        matcher.process_event(StreamEvent("other", 5, "a3"))

        matcher.advance(9)
        assert timed_out(matcher) == []
        matcher.advance(11)
        assert timed_out(matcher) == [(["a1"], 10), (["a2"], 11)]
        matcher.process_event(StreamEvent("other", 14, "b"))
        assert matcher.advance(END) != []
        assert timed_out(matcher) == []
        stats = matcher.get_stats()
        assert (stats.timed_out, stats.partial_matches, stats.keys) == (2, 0, 0)

    def test_events_of_other_keys_end_windows(self) -> None:
        matcher = PatternMatcher(a_then_b().within(10))
        matcher.process_event(StreamEvent("k", 0, "a"))
        matcher.process_event(StreamEvent("other", 11, "c"))

        assert timed_out(matcher) == [(["a"], 10)]

    def test_what_became_a_match_does_not_time_out(self) -> None:
        matcher = PatternMatcher(a_then_b().one_or_more().allow_combinations().within(10))

        assert words(match_all(matcher, stream("a1 b1 c a2"))) == ["a1 b1"]
        assert timed_out(matcher) == [(["a2"], 13)]

    def test_the_same_events_time_out_once(self) -> None:
        pattern = a_then_b().optional().followed_by("c").where(is_a("c")).within(9)
        matcher = PatternMatcher(pattern)

        match_all(matcher, stream("a x"))

        assert timed_out(matcher) == [(["a"], 9)]

    def test_a_pattern_that_ends_with_not_followed_by_matches_when_its_window_ends(self) -> None:
        pattern = Pattern.begin("a").where(is_a("a")).not_followed_by("b").where(is_a("b"))
        matcher = PatternMatcher(pattern.within(10))
        for event in stream("a1 c b a2 c"):
            matcher.process_event(event)

        assert matcher.advance(12) == []
        (match,) = matcher.advance(13)
        assert words([match]) == ["a2"]
        assert (match.start, match.end) == (3, 13)
        assert timed_out(matcher) == []

    def test_a_pattern_that_ends_with_not_next_matches_with_the_next_event(self) -> None:
        pattern = Pattern.begin("a").where(is_a("a")).not_next("b").where(is_a("b")).within(10)
        matcher = PatternMatcher(pattern)

        matches = match_all(matcher, stream("a1 b a2 c a3"))

        assert words(matches) == ["a2"]
        assert (matches[0].start, matches[0].end) == (2, 3)
        assert timed_out(matcher) == [(["a3"], 14)]

    def test_windows_end_before_events_of_the_same_time(self) -> None:
        pattern = Pattern.begin("a").where(is_a("a")).not_followed_by("b").where(is_a("b"))
        matcher = PatternMatcher(pattern.within(3))

        assert words(match_all(matcher, stream("a1 c c b"))) == ["a1"]

    def test_matches_come_in_the_order_of_time_over_all_keys(self) -> None:
        pattern = Pattern.begin("a").where(is_a("a")).not_followed_by("b").where(is_a("b"))
        matcher = PatternMatcher(pattern.within(5), out_of_orderness=100)
        for key, at in [("x", 3), ("y", 1), ("x", 2), ("z", 1)]:
            matcher.process_event(StreamEvent(key, at, f"a-{key}{at}"))

        assert words(matcher.advance(END)) == ["a-y1", "a-z1", "a-x2", "a-x3"]


class TestIterativeConditions:
    def test_a_condition_sees_what_was_accepted_before(self) -> None:
        def rises(event: StreamEvent, matched: Matched) -> bool:
            taken = [*matched["first"], *matched["more"]]
            return event.value > taken[-1].value

        pattern = Pattern.begin("first").next("more").where(rises).one_or_more().consecutive()
        matcher = PatternMatcher(pattern)
        events = [StreamEvent(1, at, value) for at, value in enumerate([5, 6, 4, 7, 8])]

        matches = match_all(matcher, events)

        assert [[e.value for taken in m.events.values() for e in taken] for m in matches] == [
            [5, 6],
            [4, 7],
            [4, 7, 8],
            [7, 8],
        ]

    def test_steps_without_events_are_there_and_empty(self) -> None:
        seen: list[dict[str, list[str]]] = []

        def look(event: StreamEvent, matched: Matched) -> bool:
            seen.append({step: [old.value for old in taken] for step, taken in matched.items()})
            return True

        found(Pattern.begin("a").where(look).next("b").where(look), "x y")

        assert {"a": [], "b": []} in seen
        assert {"a": ["x"], "b": []} in seen

    def test_until_sees_it_too(self) -> None:
        def enough(event: StreamEvent, matched: Matched) -> bool:
            return len(matched["b"]) == 2

        pattern = a_then_b().one_or_more().until(enough).followed_by("c").where(is_a("c"))

        assert sorted(found(pattern, "a b1 b2 b3 c")) == ["a b1 b2 c", "a b1 c"]

    def test_a_condition_with_a_default_argument_takes_the_event_alone(self) -> None:
        pattern = Pattern.begin("a").where(lambda event, wanted="a": event.value == wanted)

        assert found(pattern, "a b") == ["a"]

    def test_a_condition_that_raises_names_its_step_and_no_value(self) -> None:
        pattern = a_then_b().next("broken").where(lambda event: event.value["secret"])
        matcher = PatternMatcher(pattern)

        with pytest.raises(PatternFailed) as caught:
            match_all(matcher, stream("a b secret-value"))

        assert caught.value.step == "broken"
        assert "TypeError" in str(caught.value)
        assert "secret" not in str(caught.value)
        assert caught.value.__suppress_context__


class TestGreedy:
    @pytest.mark.parametrize(
        ("text", "matches"),
        [
            ("b1 b2 x c", ["b1 b2 c", "b2 c"]),
            ("b1 c1 b2 c2", ["b1 c1", "b1 b2 c2", "b2 c2"]),
        ],
    )
    def test_a_loop_takes_all_that_come_before_the_next_step(
        self, text: str, matches: Sequence[str]
    ) -> None:
        pattern = Pattern.begin("b").where(is_a("b")).one_or_more().greedy()

        assert found(pattern.followed_by("c").where(is_a("c")), text) == matches

    @pytest.mark.parametrize(
        ("option", "text", "matches"),
        [
            ("consecutive", "b1 x b2 c", ["b1 c", "b2 c"]),
            ("until", "b1 u b2 c", ["b1 c", "b2 c"]),
            ("neither", "b1 x b2 c", ["b1 b2 c", "b2 c"]),
        ],
    )
    def test_what_comes_after_the_end_of_a_loop_is_no_longer_its_own(
        self, option: str, text: str, matches: Sequence[str]
    ) -> None:
        loop = Pattern.begin("b").where(is_a("b")).one_or_more().greedy()
        if option == "consecutive":
            loop = loop.consecutive()
        elif option == "until":
            loop = loop.until(is_a("u"))

        assert found(loop.followed_by("c").where(is_a("c")), text) == matches

    @pytest.mark.parametrize(
        ("contiguity", "matches"), [("next", ["a c"]), ("followed_by", ["a b c"])]
    )
    def test_an_optional_loop_is_left_out_only_where_it_cannot_begin(
        self, contiguity: str, matches: Sequence[str]
    ) -> None:
        loop = getattr(Pattern.begin("a").where(is_a("a")), contiguity)("b").where(is_a("b"))
        pattern = loop.one_or_more().optional().greedy().followed_by("c").where(is_a("c"))

        assert found(pattern, "a x b c") == matches

    def test_next_stays_strict_after_it(self) -> None:
        pattern = Pattern.begin("b").where(is_a("b")).one_or_more().greedy()

        assert found(pattern.next("c").where(is_a("c")), "b1 x c") == []


class TestSkipping:
    def test_a_match_waits_for_those_that_began_before_it(self) -> None:
        skip = AfterMatchSkip.skip_past_last_event()
        pattern = Pattern.begin("a", skip).where(is_a("a")).followed_by("b").where(is_b_of_a)
        matcher = PatternMatcher(pattern.within(10))
        for event in stream("a1 a2 b2"):
            matcher.process_event(event)

        assert matcher.advance(9) == []
        (match,) = matcher.advance(10)
        assert words([match]) == ["a2 b2"]
        assert (match.start, match.end) == (1, 2)

    def test_a_match_that_waits_can_be_skipped(self) -> None:
        skip = AfterMatchSkip.skip_past_last_event()
        pattern = Pattern.begin("a", skip).where(is_a("a")).followed_by("b").where(is_b_of_a)

        assert found(pattern, "a1 a2 b2 b1") == ["a1 b1"]

    def test_matches_do_not_overlap_when_skipping_past_the_last_event(self) -> None:
        pattern = Pattern.begin("a", AfterMatchSkip.skip_past_last_event()).where(is_a("a"))

        assert found(pattern.times(3), "a1 a2 a3 a4 a5 a6 a7") == ["a1 a2 a3", "a4 a5 a6"]

    @pytest.mark.parametrize(
        ("skip", "matches"),
        [
            (AfterMatchSkip.skip_to_first("end"), ["x1 x2 x3 x4", "x3 x4 x5 x6"]),
            (AfterMatchSkip.skip_to_last("end"), ["x1 x2 x3 x4", "x4 x5 x6 x7"]),
        ],
    )
    def test_skipping_to_an_event_of_a_step(
        self, skip: AfterMatchSkip, matches: Sequence[str]
    ) -> None:
        pattern = Pattern.begin("start", skip).times(2).next("end").times(2)

        assert found(pattern, "x1 x2 x3 x4 x5 x6 x7") == matches

    def test_nothing_is_skipped_where_the_step_took_nothing(self) -> None:
        pattern = Pattern.begin("a", AfterMatchSkip.skip_to_first("b")).where(is_a("a"))
        pattern = pattern.next("b").where(is_a("b")).optional().next("c").where(is_a("c"))

        assert found(pattern, "a1 c1 a2 c2") == ["a1 c1", "a2 c2"]

    def test_a_miss_is_an_error_on_request(self) -> None:
        skip = AfterMatchSkip.skip_to_first("b").throw_exception_on_miss()
        pattern = Pattern.begin("a", skip).where(is_a("a")).next("b").where(is_a("b")).optional()

        with pytest.raises(PatternFailed, match="no event of the step 'b'") as caught:
            found(pattern, "a c")

        assert caught.value.step == "b"

    def test_finding_the_same_match_forever_is_an_error_on_request(self) -> None:
        skip = AfterMatchSkip.skip_to_first("a").throw_exception_on_miss()

        with pytest.raises(PatternFailed, match="same match forever"):
            found(Pattern.begin("a", skip).where(is_a("a")), "a")


def is_b_of_a(event: StreamEvent, matched: Matched) -> bool:
    """Whether the event is a ``b`` with the number of the ``a`` before it."""
    return bool(event.value == f"b{matched['a'][0].value[1:]}")
