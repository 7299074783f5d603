"""The settings of a pattern: which events have to follow each other.

The words are those of ``bridge.processing.patterns``; ``docs/processing-patterns.md`` says what
they mean.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Literal

from bridge.config.durations import DURATION
from bridge.config.inputs import EXPRESSION, RowOperation

KINDS: Final = ("begin", "next", "followed_by", "followed_by_any", "not_next", "not_followed_by")
"""How a step can follow the one before it."""

_STEP_NAME: Final[dict[str, Any]] = {
    "pattern": r"^[a-z_][a-z0-9_]{0,62}$",
    "form": "a name of lower-case letters, digits and underscores",
}
_COUNT: Final = {"ge": 0}


@dataclass(frozen=True, slots=True, kw_only=True)
class StepConfig:
    """One step of a pattern: its name behind one of the words that say how it follows.

    Attributes:
        begin: name of the first step.
        next: name of a step whose event comes directly after the one before.
        followed_by: name of a step whose event comes later.
        followed_by_any: the same, with a match for each event that it accepts.
        not_next: name of what must not come directly after.
        not_followed_by: name of what must not come before the next step, or at the end.
        tables: which of the tables of the processor its events are of; all by default.
        operations: which operations; all of the processor's by default.
        where: an SQL condition, or several that all have to hold.
        or_where: a condition that is enough instead of ``where``, or several of them.
        times: how many events it takes, ``3`` or from ``[2, 4]``.
        times_or_more: how many events it takes at least.
        one_or_more: whether it takes one event or more.
        optional: whether the pattern matches without it, too.
        greedy: whether it takes as many events as there are before the next step.
        consecutive: whether nothing may lie between its events.
        allow_combinations: whether events that it accepts may be passed over between its events.
        until: an SQL condition that ends a loop without end before the event that meets it.
    """

    begin: str | None = field(default=None, metadata=_STEP_NAME)
    next: str | None = field(default=None, metadata=_STEP_NAME)
    followed_by: str | None = field(default=None, metadata=_STEP_NAME)
    followed_by_any: str | None = field(default=None, metadata=_STEP_NAME)
    not_next: str | None = field(default=None, metadata=_STEP_NAME)
    not_followed_by: str | None = field(default=None, metadata=_STEP_NAME)
    tables: tuple[str, ...] | None = field(default=None, metadata={"min_length": 1})
    operations: tuple[RowOperation, ...] | None = field(default=None, metadata={"min_length": 1})
    where: str | tuple[str, ...] = ()
    or_where: str | tuple[str, ...] = ()
    times: int | tuple[int, int] | None = None
    times_or_more: int | None = field(default=None, metadata=_COUNT)
    one_or_more: bool = False
    optional: bool = False
    greedy: bool = False
    consecutive: bool = False
    allow_combinations: bool = False
    until: str | None = field(default=None, metadata=EXPRESSION)

    def __post_init__(self) -> None:
        if sum(getattr(self, kind) is not None for kind in KINDS) != 1:
            raise ValueError(f"a step has its name behind one of {', '.join(KINDS)}.")

    @property
    def kind(self) -> str:
        """How it follows: one of ``KINDS``."""
        return next(kind for kind in KINDS if getattr(self, kind) is not None)

    @property
    def name(self) -> str:
        """Its name."""
        name: str = getattr(self, self.kind)
        return name


@dataclass(frozen=True, slots=True, kw_only=True)
class SkipConfig:
    """To which event of a match matches that began earlier are dropped.

    Attributes:
        to_first: name of the step to whose first event is skipped.
        to_last: name of the step to whose last event is skipped.
    """

    to_first: str | None = None
    to_last: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PatternConfig:
    """A sequence of events of one key.

    Attributes:
        steps: first to last.
        within: less than this lies between the first and the last event of a match.
        skip: which other matches a match makes go: ``none``; ``to_next``: those that began with
            the same event; ``past_last_event``: those that began with any of its events;
            ``{to_first: STEP}`` or ``{to_last: STEP}``: those that began before that event.
    """

    steps: tuple[StepConfig, ...] = field(metadata={"min_length": 1})
    within: str | None = field(default=None, metadata=DURATION)
    skip: Literal["none", "to_next", "past_last_event"] | SkipConfig = "none"
