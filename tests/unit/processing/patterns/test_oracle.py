"""Random patterns on short random streams, against every assignment of events to steps.

The oracle knows nothing of runs or states. It tries all ways to give events to steps and asks of
each, as a whole, whether the rules of ``docs/processing-patterns.md`` allow it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import accumulate, product
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.processing.events import StreamEvent
from bridge.processing.patterns import Pattern, PatternMatcher
from bridge.processing.patterns.conditions import Matched

from .notation import END

ALPHABET = "abc"
STREAMS = 5
"""How many more streams each pattern is tried on."""

Taken = tuple[tuple[int, int], ...]
"""An assignment: position in the stream and number of the step of each accepted event."""


@dataclass(frozen=True)
class Ban:
    """A negative step after a positive one."""

    method: str
    letters: str


@dataclass(frozen=True)
class Spec:
    """A positive step, and the negative ones after it."""

    letters: str
    ascending: bool
    contiguity: str
    least: int = 1
    most: int | None = 1
    loops: bool = False
    optional: bool = False
    greedy: bool = False
    inner: str = "relaxed"
    until: str = ""
    bans: tuple[Ban, ...] = ()


@dataclass(frozen=True)
class Case:
    """A pattern and a stream: letters and numbers at times in microseconds."""

    specs: tuple[Spec, ...]
    window: int | None
    values: tuple[tuple[str, int], ...]
    times: tuple[int, ...]


CONTIGUITY = {"strict": "next", "relaxed": "followed_by", "any": "followed_by_any"}
letters = st.lists(st.sampled_from(ALPHABET), min_size=1, max_size=2, unique=True).map("".join)
bans = st.builds(Ban, st.sampled_from(["not_next", "not_followed_by"]), letters)
QUANTIFIERS: list[tuple[bool, int, int | None]] = [
    *[(False, 1, 1)] * 3,
    (True, 2, 2),
    (True, 1, 2),
    (True, 2, 3),
    *[(True, 1, None)] * 2,
    (True, 2, None),
]


@st.composite
def specs(draw: st.DrawFn) -> Spec:
    loops, least, most = draw(st.sampled_from(QUANTIFIERS))
    inner = draw(st.sampled_from(["strict", "relaxed", "relaxed", "any"])) if loops else "relaxed"
    return Spec(
        letters=draw(letters),
        ascending=draw(st.sampled_from([False] * 5 + [True])),
        contiguity=draw(st.sampled_from([*CONTIGUITY, "relaxed"])),
        least=least,
        most=most,
        loops=loops,
        optional=draw(st.sampled_from([False, False, True])),
        greedy=loops and inner != "any" and draw(st.sampled_from([True, True, False])),
        inner=inner,
        until=draw(st.sampled_from(["", "", "", *ALPHABET])) if loops and most is None else "",
        bans=tuple(draw(st.lists(bans, max_size=2))) if draw(st.booleans()) else (),
    )


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Draw a case; what would be a ConfigError is taken out of the pattern."""
    window = draw(st.sampled_from([None, None, 2, 4, 6]))
    drawn = draw(st.lists(specs(), min_size=draw(st.sampled_from([1, 2, 2])), max_size=3))
    steps = []
    for number, spec in enumerate(drawn):
        later = drawn[number + 1 :]
        happens = any(not other.optional for other in later)
        kept: tuple[Ban, ...] = ()
        if not spec.optional and (happens or not later):
            kept = spec.bans
        if not later and window is None:
            kept = tuple(ban for ban in kept if ban.method == "not_next")
        steps.append(replace(spec, greedy=spec.greedy and happens, bans=kept))
    size = draw(st.sampled_from([1, 2, 3, 4, 5, 5, 6, 6, 7, 7, 7]))
    values = draw(
        st.lists(
            st.tuples(st.sampled_from(ALPHABET), st.integers(0, 3)), min_size=size, max_size=size
        )
    )
    gaps = draw(st.lists(st.integers(0, 2), min_size=size, max_size=size))
    return Case(tuple(steps), window, tuple(values), tuple(accumulate(gaps)))


def pattern_of(case: Case) -> Pattern:
    """Return the pattern of a case; steps are named by their numbers."""
    pattern: Pattern | None = None
    for number, spec in enumerate(case.specs):
        if pattern is None:
            pattern = Pattern.begin("0")
        else:
            pattern = getattr(pattern, CONTIGUITY[spec.contiguity])(str(number))
        pattern = pattern.where(lambda event, wanted=spec.letters: event.value[0] in wanted)
        if spec.ascending:
            pattern = pattern.where(_ascends)
        if spec.loops:
            if spec.most is None:
                pattern = pattern.times_or_more(spec.least)
            else:
                pattern = pattern.times(spec.least, spec.most)
            if spec.inner == "strict":
                pattern = pattern.consecutive()
            elif spec.inner == "any":
                pattern = pattern.allow_combinations()
        if spec.optional:
            pattern = pattern.optional()
        if spec.greedy:
            pattern = pattern.greedy()
        if spec.until:
            pattern = pattern.until(lambda event, end=spec.until: event.value[0] == end)
        for ban in spec.bans:
            name = f"not {number} {len(pattern.steps)}"
            pattern = getattr(pattern, ban.method)(name)
            pattern = pattern.where(lambda event, bad=ban.letters: event.value[0] in bad)
    assert pattern is not None
    return pattern if case.window is None else pattern.within(case.window)


def _ascends(event: StreamEvent, matched: Matched) -> bool:
    return all(event.value[1] >= old.value[1] for taken in matched.values() for old in taken)


def stream_of(case: Case) -> list[StreamEvent]:
    return [
        StreamEvent(None, time, value, sequence=at)
        for at, (time, value) in enumerate(zip(case.times, case.values, strict=True))
    ]


class Oracle:
    """Judges assignments for one case."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.specs = case.specs
        self.size = len(case.values)

    def matches(self) -> set[Taken]:
        return {taken for taken in self.assignments() if self.allows(taken)}

    def assignments(self) -> Iterator[Taken]:
        counts = []
        for spec in self.specs:
            most = self.size if spec.most is None else spec.most
            counts.append([*([0] if spec.optional else []), *range(spec.least, most + 1)])
        for chosen in product(*counts):
            steps = [number for number, count in enumerate(chosen) for _ in range(count)]
            if steps:
                yield from self.placed(steps, 0)

    def placed(self, steps: list[int], earliest: int) -> Iterator[Taken]:
        """Yield every way to give each step in the list an event with one of its letters."""
        if not steps:
            yield ()
            return
        for at in range(earliest, self.size - len(steps) + 1):
            if self.case.values[at][0] in self.specs[steps[0]].letters:
                for rest in self.placed(steps[1:], at + 1):
                    yield ((at, steps[0]), *rest)

    def fits(self, number: int, at: int, taken: Taken) -> bool:
        """Whether the step accepts the event, after what was taken before it."""
        spec = self.specs[number]
        letter, size = self.case.values[at]
        before = [self.case.values[place][1] for place, _ in taken if place < at]
        return letter in spec.letters and (not spec.ascending or all(size >= n for n in before))

    def ends(self, number: int, at: int) -> bool:
        return self.case.values[at][0] == self.specs[number].until

    def takes(self, number: int, at: int, taken: Taken) -> bool:
        return self.fits(number, at, taken) and not self.ends(number, at)

    def allows(self, taken: Taken) -> bool:
        if not all(self.takes(number, at, taken) for at, number in taken):
            return False
        limit = self.limit(taken)
        if self.case.times[taken[-1][0]] >= limit:
            return False
        first_at, first = taken[0]
        if any(self.specs[n].greedy and self.takes(n, first_at, taken) for n in range(first)):
            return False
        return (
            all(self.may_follow(taken, index) for index in range(1, len(taken)))
            and self.nothing_banned(taken)
            and self.nothing_banned_at_the_end(taken)
        )

    def limit(self, taken: Taken) -> int:
        window = self.case.window
        return END if window is None else self.case.times[taken[0][0]] + window

    def may_follow(self, taken: Taken, index: int) -> bool:
        (before, left), (at, number) = taken[index - 1], taken[index]
        between = range(before + 1, at)
        same = left == number
        mode = self.specs[number].inner if same else self.specs[number].contiguity
        if mode == "strict" and between:
            return False
        if mode == "relaxed" and any(self.fits(number, x, taken) for x in between):
            return False
        if same:
            return not any(self.ends(number, x) for x in between)
        count = sum(step == left for _, step in taken)
        spec = self.specs[left]
        if spec.greedy and (spec.most is None or count < spec.most):
            for x in range(before + 1, at + 1):
                if self.takes(left, x, taken):
                    return False
                if spec.inner == "strict" or self.ends(left, x):
                    break
        for skipped in range(left + 1, number):
            if self.specs[skipped].greedy:
                for x in range(before + 1, at + 1):
                    if self.takes(skipped, x, taken):
                        return False
                    if self.specs[skipped].contiguity == "strict":
                        break
        return True

    def banned(self, ban: Ban, at: int) -> bool:
        return self.case.values[at][0] in ban.letters

    def nothing_banned(self, taken: Taken) -> bool:
        """No ban holds between the first event of its step and the first of a later one."""
        last = taken[-1][0]
        for number, spec in enumerate(self.specs):
            own = [at for at, step in taken if step == number]
            later = [at for at, step in taken if step > number]
            stop = later[0] if later else last
            for ban in spec.bans:
                if ban.method == "not_followed_by":
                    suspects = list(range(own[0] + 1, stop + 1))
                else:
                    suspects = [at + 1 for at in own[spec.least - 1 :] if at + 1 <= stop]
                if any(self.banned(ban, x) for x in suspects):
                    return False
        return True

    def nothing_banned_at_the_end(self, taken: Taken) -> bool:
        """What comes after the last event allows a match, if the pattern ends with a ban."""
        bans = self.specs[-1].bans
        after = [x for x in range(self.size) if x > taken[-1][0]]
        rest = [x for x in after if self.case.times[x] < self.limit(taken)]
        for ban in bans:
            watched = rest if ban.method == "not_followed_by" else rest[:1]
            if any(self.banned(ban, x) for x in watched):
                return False
        lasting = any(ban.method == "not_followed_by" for ban in bans)
        return not bans or lasting or bool(rest)


def check(case: Case) -> None:
    matcher = PatternMatcher(pattern_of(case))
    matches = [match for event in stream_of(case) for match in matcher.process_event(event)]
    matches += matcher.advance(END)

    found = [
        tuple(
            (event.sequence, int(step)) for step, taken in match.events.items() for event in taken
        )
        for match in matches
    ]

    assert sorted(found) == sorted(Oracle(case).matches()), case
    assert len({match.id for match in matches}) == len(matches)


def check_on_several_streams(case: Case, seed: int) -> None:
    """Check a pattern on its own stream, and on longer ones in which it has more to do."""
    check(case)
    random = Random(seed)
    for _ in range(STREAMS):
        times = accumulate(random.choices([0, 1, 2], [1, 3, 1], k=7))
        values = [(random.choice(ALPHABET), random.randrange(4)) for _ in range(7)]
        check(replace(case, values=tuple(values), times=tuple(times)))


@settings(max_examples=200, deadline=None)
@given(cases(), st.integers(0, 1 << 32))
def test_the_matches_are_those_that_the_rules_allow(case: Case, seed: int) -> None:
    check_on_several_streams(case, seed)


@pytest.mark.nightly
@settings(max_examples=2000, deadline=None)
@given(cases(), st.integers(0, 1 << 32))
def test_the_matches_are_those_that_the_rules_allow_at_length(case: Case, seed: int) -> None:
    check_on_several_streams(case, seed)
