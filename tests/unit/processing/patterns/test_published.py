"""The examples of Flink's page "Event Processing (CEP)", one by one."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bridge.processing.patterns import AfterMatchSkip, Pattern

from .notation import found, is_a


def a() -> Pattern:
    return Pattern.begin("a").where(is_a("a"))


@pytest.mark.parametrize(
    ("contiguity", "matches"),
    [
        ("next", []),
        ("followed_by", ["a b1"]),
        ("followed_by_any", ["a b1", "a b2"]),
    ],
)
def test_a_b_under_each_contiguity(contiguity: str, matches: list[str]) -> None:
    pattern = getattr(a(), contiguity)("b").where(is_a("b"))

    assert found(pattern, "a c b1 b2") == matches


RELAXED = ["a b1 c", "a b1 b2 c", "a b1 b2 b3 c", "a b2 c", "a b2 b3 c", "a b3 c"]


def test_a_loop_with_strict_contiguity() -> None:
    pattern = a().followed_by_any("b").where(is_a("b")).one_or_more().consecutive()

    assert found(pattern.next("c").where(is_a("c")), "a b1 d1 b2 d2 b3 c") == ["a b3 c"]


@pytest.mark.parametrize(
    ("option", "matches"),
    [
        (None, RELAXED),
        ("consecutive", ["a b1 c", "a b2 c", "a b3 c"]),
        ("allow_combinations", [*RELAXED, "a b1 b3 c"]),
    ],
)
def test_a_loop_between_others(option: str | None, matches: list[str]) -> None:
    pattern = a().followed_by_any("b").where(is_a("b")).one_or_more()
    if option:
        pattern = getattr(pattern, option)()

    result = found(pattern.followed_by("c").where(is_a("c")), "a b1 d1 b2 d2 b3 c")

    assert sorted(result) == sorted(matches)


UP_TO_A3 = ["c a1 b", "c a1 a2 b", "c a1 a2 a3 b"]
COMBINED = [
    f"c {middle} b"
    for middle in (
        *("a1", "a1 a2", "a1 a3", "a1 a4", "a1 a2 a3", "a1 a2 a4", "a1 a3 a4", "a1 a2 a3 a4"),
        *("a2", "a2 a3", "a2 a4", "a2 a3 a4", "a3", "a3 a4", "a4"),
    )
]


@pytest.mark.parametrize(
    ("entry", "option", "matches"),
    [
        ("followed_by", None, [*UP_TO_A3, "c a1 a2 a3 a4 b"]),
        ("followed_by", "consecutive", UP_TO_A3),
        ("followed_by_any", "allow_combinations", COMBINED),
        (
            "followed_by",
            "allow_combinations",
            [match for match in COMBINED if match.startswith("c a1")],
        ),
    ],
)
def test_what_consecutive_and_allow_combinations_do(
    entry: str, option: str | None, matches: list[str]
) -> None:
    pattern = getattr(Pattern.begin("start").where(is_a("c")), entry)("middle").where(is_a("a"))
    pattern = pattern.one_or_more()
    if option:
        pattern = getattr(pattern, option)()

    result = found(pattern.followed_by("end1").where(is_a("b")), "c d a1 a2 a3 d a4 b")

    assert sorted(result) == sorted(matches)


def test_until_ends_a_loop() -> None:
    pattern = a().one_or_more().until(is_a("b"))

    assert sorted(found(pattern, "a1 c a2 b a3")) == ["a1", "a1 a2", "a2", "a3"]


ALL = ["b1 b2 b3 c", "b2 b3 c", "b3 c"]


@pytest.mark.parametrize(
    ("skip", "matches"),
    [
        (AfterMatchSkip.no_skip(), ALL),
        (AfterMatchSkip.skip_to_next(), ALL),
        (AfterMatchSkip.skip_past_last_event(), ALL[:1]),
        (AfterMatchSkip.skip_to_first("b"), ALL),
        (AfterMatchSkip.skip_to_last("b"), [ALL[0], ALL[2]]),
    ],
)
@pytest.mark.parametrize("greedy", [False, True])
def test_b_plus_c_under_each_skip_strategy(
    skip: AfterMatchSkip, matches: list[str], greedy: bool
) -> None:
    pattern = Pattern.begin("b", skip).where(is_a("b")).one_or_more().consecutive()
    pattern = pattern.greedy().followed_by("c") if greedy else pattern.next("c")

    assert found(pattern.where(is_a("c")), "b1 b2 b3 c") == matches


@pytest.mark.parametrize(
    ("skip", "matches"),
    [
        (AfterMatchSkip.no_skip(), ["a b c1 c2 c3 d", "b c1 c2 c3 d", "c1 c2 c3 d"]),
        (AfterMatchSkip.skip_to_first("c*"), ["a b c1 c2 c3 d", "c1 c2 c3 d"]),
    ],
)
@pytest.mark.parametrize("contiguity", ["next", "followed_by"])
def test_skipping_to_the_first_of_a_greedy_loop(
    skip: AfterMatchSkip, matches: list[str], contiguity: str
) -> None:
    pattern = Pattern.begin("a | b | c", skip).where(is_a("a", "b", "c"))
    pattern = getattr(pattern, contiguity)("b | c").where(is_a("b")).or_where(is_a("c"))
    pattern = getattr(pattern, contiguity)("c*").where(is_a("c")).one_or_more().greedy()

    result = found(getattr(pattern, contiguity)("d").where(is_a("d")), "a b c1 c2 c3 d")

    assert result == matches


@pytest.mark.parametrize(
    ("skip", "matches"),
    [
        (AfterMatchSkip.no_skip(), ["a b1", "a b1 b2", "a b1 b2 b3"]),
        (AfterMatchSkip.skip_to_next(), ["a b1"]),
    ],
)
def test_skipping_to_the_next_start(skip: AfterMatchSkip, matches: list[str]) -> None:
    pattern = Pattern.begin("a", skip).where(is_a("a"))

    assert found(pattern.followed_by("b").where(is_a("b")).one_or_more(), "a b1 b2 b3") == matches


@pytest.mark.parametrize(
    ("quantify", "matches"),
    [
        (lambda b: b.times(4), ["a b1 b2 b3 b4 c"]),
        (lambda b: b.times(4).optional(), ["a b1 b2 b3 b4 c", "a c"]),
        (lambda b: b.times(2, 4), ["a b1 b2 c", "a b1 b2 b3 c", "a b1 b2 b3 b4 c"]),
        (lambda b: b.times(2, 4).greedy(), ["a b1 b2 b3 b4 c"]),
        (
            lambda b: b.times(2, 4).optional(),
            ["a b1 b2 c", "a b1 b2 b3 c", "a b1 b2 b3 b4 c", "a c"],
        ),
        (lambda b: b.times(2, 4).optional().greedy(), ["a b1 b2 b3 b4 c"]),
        (lambda b: b.times(0, 1), ["a b1 c", "a c"]),
        (
            lambda b: b.one_or_more(),
            ["a b1 c", "a b1 b2 c", "a b1 b2 b3 c", "a b1 b2 b3 b4 c", "a b1 b2 b3 b4 b5 c"],
        ),
        (lambda b: b.one_or_more().greedy(), ["a b1 b2 b3 b4 b5 c"]),
        (lambda b: b.one_or_more().optional().greedy(), ["a b1 b2 b3 b4 b5 c"]),
        (lambda b: b.times_or_more(4), ["a b1 b2 b3 b4 c", "a b1 b2 b3 b4 b5 c"]),
        (lambda b: b.times_or_more(4).greedy(), ["a b1 b2 b3 b4 b5 c"]),
        (lambda b: b.times_or_more(5).optional(), ["a b1 b2 b3 b4 b5 c", "a c"]),
        (lambda b: b.times_or_more(6), []),
    ],
)
def test_how_often_a_step_may_happen(
    quantify: Callable[[Pattern], Pattern], matches: list[str]
) -> None:
    pattern = quantify(a().followed_by("b").where(is_a("b")))

    result = found(pattern.followed_by("c").where(is_a("c")), "a b1 b2 b3 b4 b5 c")

    assert sorted(result) == sorted(matches)


def test_what_must_not_come_next() -> None:
    pattern = a().not_next("b").where(is_a("b")).followed_by("c").where(is_a("c"))

    assert found(pattern, "a1 b c a2 d b c2") == ["a2 c2"]


def test_what_must_not_come_between() -> None:
    pattern = a().not_followed_by("b").where(is_a("b")).followed_by("c").where(is_a("c"))

    assert found(pattern, "a1 d b c a2 d c2") == ["a2 c2"]
