"""What an event has to meet to be accepted by a step."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from bridge.core.errors import ConfigError
from bridge.processing.events import StreamEvent
from bridge.processing.patterns.errors import PatternFailed

Matched: TypeAlias = Mapping[str, Sequence[StreamEvent]]
"""What a partial match has accepted so far, by step, oldest first; empty for a step without any."""

Condition: TypeAlias = (
    Callable[[StreamEvent], bool | None] | Callable[[StreamEvent, Matched], bool | None]
)
"""Looks at an event, and if it takes two arguments also at what was accepted before it.

None, SQL's unknown, counts as false.
"""


@dataclass(frozen=True, slots=True)
class Term:
    """One condition of a step.

    Attributes:
        function: as it was given.
        iterative: whether it takes what was accepted before, too.
        alternative: whether it is one more way to meet the step, instead of one more demand.
    """

    function: Callable[..., bool | None]
    iterative: bool
    alternative: bool

    @classmethod
    def of(cls, function: Any, step: str, *, alternative: bool = False) -> Term:
        """Return a term.

        Raises:
            ConfigError: it is no function of one or two arguments.
        """
        return cls(function, _arguments(function, step) == 2, alternative)


def _arguments(function: Any, step: str) -> int:
    """Return how many arguments a condition is called with: two if it demands two."""
    wrong = ConfigError(
        f"The condition of the step {step!r} is no function of one or two arguments.",
        remedy="Give condition(event) or condition(event, matched).",
    )
    if not callable(function):
        raise wrong
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some built-in functions have none; they take the event
        return 1
    for arguments in (1, 2):
        try:
            signature.bind(*range(arguments))
        except TypeError:
            continue
        return arguments
    raise wrong


@dataclass(frozen=True, slots=True)
class Criteria:
    """The conditions of one step, or what ends its loop.

    Attributes:
        step: its name.
        terms: combined from the first to the last, each with the result of those before it.
            Without terms every event is accepted.
    """

    step: str
    terms: tuple[Term, ...] = ()

    def holds(self, event: StreamEvent, accepted: Callable[[], Matched]) -> bool:
        """Return whether the event meets the terms.

        Args:
            event: the event.
            accepted: gives what the partial match has accepted so far; asked only if needed.

        Raises:
            PatternFailed: a condition raised.
        """
        held = True
        for number, term in enumerate(self.terms):
            if number and held is term.alternative:
                continue  # "true or x" and "false and x" are known without x
            try:
                answer = (
                    term.function(event, accepted()) if term.iterative else term.function(event)
                )
                held = bool(answer)
            except Exception as error:
                # The text of the error, and with it the traceback, may hold values of the event.
                raise PatternFailed(
                    f"A condition of the step {self.step!r} raised {type(error).__name__}.",
                    step=self.step,
                    remedy="Let it return None for an event that it cannot decide on.",
                ) from None
        return held
