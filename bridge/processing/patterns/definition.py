"""The pattern: steps, how far apart they may be, and how often each may happen.

Names and rules are those of Flink's event processing
(https://nightlies.apache.org/flink/flink-docs-stable/docs/libs/cep/), in snake_case.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from bridge.core.errors import ConfigError
from bridge.processing.patterns.conditions import Condition, Criteria, Term
from bridge.processing.patterns.skip import AfterMatchSkip
from bridge.processing.time import Duration, microseconds


class Contiguity(StrEnum):
    """Which events may lie between an accepted event and the one before it."""

    STRICT = "strict"
    """None."""
    RELAXED = "relaxed"
    """Those that the step does not accept."""
    ANY = "any"
    """All: an event that the step would accept may be passed over."""


class Negation(StrEnum):
    """What must not happen."""

    NEXT = "not_next"
    FOLLOWED_BY = "not_followed_by"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of a pattern.

    Attributes:
        name: unique within the pattern.
        contiguity: between the step before and the first event of this one.
        negation: None for a step that has to happen.
        criteria: what its events meet.
        least: how many events it takes, once it happens.
        most: how many at most; None for no limit.
        loops: whether it has a quantifier, so that it may take several.
        optional: whether it may take none.
        greedy: whether it takes an event that it can take, whatever comes next.
        inner: contiguity between its own events.
        until: what ends the loop; None if nothing does.
    """

    name: str
    contiguity: Contiguity
    criteria: Criteria
    negation: Negation | None = None
    least: int = 1
    most: int | None = 1
    loops: bool = False
    optional: bool = False
    greedy: bool = False
    inner: Contiguity = Contiguity.RELAXED
    until: Criteria | None = None


@dataclass(frozen=True, slots=True)
class Pattern:
    """A sequence of steps to look for in the events of one key. Every method returns a new one.

    ``where``, ``or_where`` and the quantifiers concern the step that was added last.

    Attributes:
        steps: first to last.
        skip: what happens to other partial matches after a match.
        window: all events of a match lie within this many microseconds; None for no limit.
    """

    steps: tuple[Step, ...]
    skip: AfterMatchSkip
    window: int | None = None

    @classmethod
    def begin(cls, name: str, skip: AfterMatchSkip | None = None) -> Pattern:
        """Return a pattern with its first step.

        Raises:
            ConfigError: the name is empty.
        """
        return cls((), skip or AfterMatchSkip.no_skip())._append(name, Contiguity.ANY)

    def next(self, name: str) -> Pattern:
        """Add a step whose first event comes directly after the one before."""
        return self._append(name, Contiguity.STRICT)

    def followed_by(self, name: str) -> Pattern:
        """Add a step that begins with the next event that it accepts; others are passed over."""
        return self._append(name, Contiguity.RELAXED)

    def followed_by_any(self, name: str) -> Pattern:
        """Add a step that begins with any later event that it accepts: a match for each."""
        return self._append(name, Contiguity.ANY)

    def not_next(self, name: str) -> Pattern:
        """Add what must not come directly after the event before."""
        return self._append(name, Contiguity.STRICT, Negation.NEXT)

    def not_followed_by(self, name: str) -> Pattern:
        """Add what must not come before the next step, or at the end: within the window."""
        return self._append(name, Contiguity.RELAXED, Negation.FOLLOWED_BY)

    def where(self, condition: Condition) -> Pattern:
        """Demand this of the events of the step, and what was demanded before."""
        return self._judge(condition, alternative=False)

    def or_where(self, condition: Condition) -> Pattern:
        """Accept events that meet this, or what was demanded before."""
        return self._judge(condition, alternative=True)

    def times(self, least: int, most: int | None = None) -> Pattern:
        """Take exactly ``least`` events, or from ``least`` to ``most``; 0 makes it optional."""
        return self._repeat("times", least, least if most is None else most)

    def times_or_more(self, least: int) -> Pattern:
        """Take ``least`` events or more; 0 makes it optional."""
        return self._repeat("times_or_more", least, None)

    def one_or_more(self) -> Pattern:
        """Take one event or more."""
        return self._repeat("one_or_more", 1, None)

    def optional(self) -> Pattern:
        """Let the pattern match without this step, too."""
        self._require(self._last.negation is None, "cannot be optional: it takes no event", "Drop")
        return self._change(optional=True)

    def greedy(self) -> Pattern:
        """Take as many events as there are before the next step begins."""
        self._loop("greedy")
        self._not_both("greedy", self._last.inner is Contiguity.ANY, "allow_combinations")
        return self._change(greedy=True)

    def consecutive(self) -> Pattern:
        """Let nothing lie between the events of the step."""
        self._loop("consecutive")
        self._not_both("consecutive", self._last.inner is Contiguity.ANY, "allow_combinations")
        return self._change(inner=Contiguity.STRICT)

    def allow_combinations(self) -> Pattern:
        """Let events that the step accepts be passed over between its events."""
        self._loop("allow_combinations")
        self._not_both("allow_combinations", self._last.greedy, "greedy")
        strict = self._last.inner is Contiguity.STRICT
        self._not_both("allow_combinations", strict, "consecutive")
        return self._change(inner=Contiguity.ANY)

    def until(self, condition: Condition) -> Pattern:
        """End the loop of the step before an event that meets this."""
        self._require(
            self._last.loops and self._last.most is None,
            "has no loop without end for until() to stop",
            "Call one_or_more() or times_or_more() before",
        )
        self._require(self._last.until is None, "has an until() already", "Keep one")
        term = Term.of(condition, self._last.name)
        return self._change(until=Criteria(self._last.name, (term,)))

    def within(self, duration: Duration) -> Pattern:
        """Let a match take less than this from its first event to its last.

        There is one limit for the whole sequence: of several, the shortest counts.

        Args:
            duration: microseconds or a timedelta.

        Raises:
            ConfigError: it is not longer than 0.
        """
        window = microseconds(duration, "within", minimum=1)
        return replace(self, window=min(window, self.window or window))

    @property
    def _last(self) -> Step:
        return self.steps[-1]

    def _append(
        self, name: str, contiguity: Contiguity, negation: Negation | None = None
    ) -> Pattern:
        if not isinstance(name, str) or not name:
            raise ConfigError(
                "A step of a pattern has no name.", remedy="Give each step a name of its own."
            )
        if any(step.name == name for step in self.steps):
            raise ConfigError(
                f"The pattern has two steps with the name {name!r}.",
                remedy="Give each step a name of its own.",
            )
        if negation is not None and self.steps and self._last.optional:
            raise ConfigError(
                f"{negation}({name!r}) comes after the step {self._last.name!r}, which is "
                "optional.",
                remedy="Put a step that has to happen before it.",
            )
        step = Step(name=name, contiguity=contiguity, negation=negation, criteria=Criteria(name))
        return replace(self, steps=(*self.steps, step))

    def _change(self, **changes: Any) -> Pattern:
        return replace(self, steps=(*self.steps[:-1], replace(self._last, **changes)))

    def _judge(self, condition: Condition, *, alternative: bool) -> Pattern:
        criteria = self._last.criteria
        term = Term.of(condition, self._last.name, alternative=alternative)
        return self._change(criteria=replace(criteria, terms=(*criteria.terms, term)))

    def _repeat(self, quantifier: str, least: int, most: int | None) -> Pattern:
        step = self._last
        self._require(step.negation is None, f"takes no event: no {quantifier}()", "Drop")
        self._require(not step.loops, "has two quantifiers", "Keep one")
        counts = (least, *(() if most is None else (most,)))
        self._require(
            all(isinstance(count, int) and not isinstance(count, bool) for count in counts)
            and least >= 0
            and (most is None or most >= max(least, 1)),
            f"has a {quantifier}() that no number of events fits",
            "Count from 0 or more, to 1 or more, with the larger number last",
        )
        return self._change(
            least=max(least, 1), most=most, loops=True, optional=step.optional or least == 0
        )

    def _loop(self, option: str) -> None:
        self._require(
            self._last.loops,
            f"takes a single event: no {option}()",
            "Call times(), times_or_more() or one_or_more() before",
        )

    def _not_both(self, option: str, clashes: bool, other: str) -> None:
        self._require(not clashes, f"cannot be both {option}() and {other}()", "Keep one")

    def _require(self, fine: bool, problem: str, remedy: str) -> None:
        if not fine:
            raise ConfigError(f"The step {self._last.name!r} {problem}.", remedy=f"{remedy} it.")


def check(pattern: Pattern) -> None:
    """See that the pattern can be matched as a whole.

    Raises:
        ConfigError: it is empty, or has no end that could be known, or skips to a step that takes
            no event. The message names the step and the remedy.
    """
    if not pattern.steps:
        raise ConfigError("The pattern has no step.", remedy="Start it with Pattern.begin(name).")
    target = pattern.skip.step
    if target is not None and not any(
        step.name == target and step.negation is None for step in pattern.steps
    ):
        raise ConfigError(
            f"{pattern.skip.strategy} names {target!r}, which is no step that takes events.",
            remedy="Name one that begin, next, followed_by or followed_by_any adds.",
        )
    tail = _tail(pattern.steps, lambda step: step.negation is not None)
    if any(step.negation is Negation.FOLLOWED_BY for step in tail) and pattern.window is None:
        raise ConfigError(
            f"The pattern ends with not_followed_by({tail[-1].name!r}): nothing says when that is "
            "certain.",
            remedy="Limit the pattern with within(duration), or add a step after it.",
        )
    tail = _tail(pattern.steps, lambda step: step.negation is None and step.optional)
    before = pattern.steps[: len(pattern.steps) - len(tail)]
    if tail and before and before[-1].negation is not None:
        raise ConfigError(
            f"After {before[-1].negation}({before[-1].name!r}) nothing has to happen: "
            f"{tail[-1].name!r} is optional.",
            remedy="End the pattern there, or with a step that is not optional.",
        )
    tail = _tail(pattern.steps, lambda step: step.optional or step.negation is not None)
    for step in pattern.steps[max(len(pattern.steps) - len(tail) - 1, 0) :]:
        if step.greedy:
            raise ConfigError(
                f"The step {step.name!r} is greedy, and nothing has to happen after it that "
                "would end it.",
                remedy="Add a step after it, or leave greedy() away.",
            )


def _tail(steps: tuple[Step, ...], belongs: Callable[[Step], bool]) -> tuple[Step, ...]:
    """Return the last steps that belong."""
    start = len(steps)
    while start and belongs(steps[start - 1]):
        start -= 1
    return steps[start:]
