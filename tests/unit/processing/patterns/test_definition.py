"""A pattern that cannot mean anything is refused, by the name of the step and with a remedy."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from bridge.core.errors import ConfigError
from bridge.processing.patterns import AfterMatchSkip, Pattern, PatternMatcher

from .notation import found, is_a


def a() -> Pattern:
    return Pattern.begin("a")


REFUSED: list[tuple[Callable[[], Pattern], str]] = [
    (lambda: Pattern.begin(""), "no name"),
    (lambda: Pattern((), AfterMatchSkip.no_skip()), "no step"),
    (lambda: a().next("a"), "two steps with the name 'a'"),
    (lambda: a().until(is_a("b")), "'a' has no loop without end"),
    (lambda: a().times(2).until(is_a("b")), "'a' has no loop without end"),
    (lambda: a().one_or_more().until(is_a("b")).until(is_a("c")), "'a' has an until"),
    (lambda: a().greedy(), "'a' takes a single event"),
    (lambda: a().optional().greedy(), "'a' takes a single event"),
    (lambda: a().consecutive(), "'a' takes a single event"),
    (lambda: a().allow_combinations(), "'a' takes a single event"),
    (lambda: a().one_or_more().allow_combinations().greedy(), "greedy() and allow_combinations()"),
    (lambda: a().one_or_more().greedy().allow_combinations(), "allow_combinations() and greedy()"),
    (lambda: a().one_or_more().consecutive().allow_combinations(), "and consecutive()"),
    (lambda: a().one_or_more().allow_combinations().consecutive(), "and allow_combinations()"),
    (lambda: a().one_or_more().times(2), "'a' has two quantifiers"),
    (lambda: a().times(0), "no number of events"),
    (lambda: a().times(-1), "no number of events"),
    (lambda: a().times(3, 2), "no number of events"),
    (lambda: a().times(True), "no number of events"),
    (lambda: a().times_or_more(-1), "no number of events"),
    (lambda: a().not_next("b").optional(), "'b' cannot be optional"),
    (lambda: a().not_followed_by("b").one_or_more(), "'b' takes no event"),
    (lambda: a().optional().not_next("b"), "not_next('b') comes after the step 'a'"),
    (lambda: a().not_followed_by("b"), "ends with not_followed_by('b')"),
    (lambda: a().not_next("b").next("c").optional(), "After not_next('b') nothing has to happen"),
    (lambda: a().one_or_more().greedy(), "'a' is greedy"),
    (lambda: a().one_or_more().greedy().next("b").optional(), "'a' is greedy"),
    (lambda: a().next("b").times(2).optional().greedy(), "'b' is greedy"),
    (lambda: a().within(0), "within"),
    (lambda: a().within(timedelta(seconds=-1)), "within"),
    (lambda: Pattern.begin("a", AfterMatchSkip.skip_to_last("b")), "SKIP_TO_LAST names 'b'"),
    (
        lambda: Pattern.begin("a", AfterMatchSkip.skip_to_first("b")).not_next("b").next("c"),
        "SKIP_TO_FIRST names 'b'",
    ),
    (lambda: a().where(lambda: True), "The condition of the step 'a'"),  # type: ignore[arg-type]
    (lambda: a().where("value > 1"), "The condition of the step 'a'"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("define", "problem"), REFUSED)
def test_a_pattern_without_a_meaning_is_refused(
    define: Callable[[], Pattern], problem: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        PatternMatcher(define())

    assert problem in caught.value.message
    assert caught.value.remedy


def test_only_skipping_to_a_step_can_miss_it() -> None:
    with pytest.raises(ConfigError, match="SKIP_TO_NEXT"):
        AfterMatchSkip.skip_to_next().throw_exception_on_miss()


def test_a_pattern_never_changes() -> None:
    begun = a().where(is_a("a"))
    begun.one_or_more().followed_by("b").within(5)

    assert found(begun, "a1 a2") == ["a1", "a2"]


def test_the_shortest_window_counts() -> None:
    pattern = a().where(is_a("a")).within(9).followed_by("b").where(is_a("b")).within(3).within(7)

    assert found(pattern, "a1 c c b a2 c b2") == ["a2 b2"]


def test_a_window_is_a_timedelta_or_microseconds() -> None:
    assert a().within(timedelta(milliseconds=2)).window == a().within(2000).window == 2000


def test_steps_without_conditions_accept_everything() -> None:
    assert found(a().next("b"), "x y z") == ["x y", "y z"]


def test_conditions_are_combined_from_the_first_to_the_last() -> None:
    pattern = a().where(is_a("a")).or_where(is_a("b")).where(lambda event: event.value[1:] == "1")

    assert found(pattern, "a1 a2 b1 b2 c1") == ["a1", "b1"]
    assert found(a().or_where(is_a("a")), "a b") == ["a"]


def test_what_is_unknown_does_not_hold() -> None:
    pattern = a().where(lambda event: None).or_where(lambda event: None)

    assert found(pattern, "a b") == []
