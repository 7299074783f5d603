"""After-match skip strategies: which partial matches go when one of them becomes a match.

Names and rules are those of Flink ("After Match Skip Strategy",
https://nightlies.apache.org/flink/flink-docs-stable/docs/libs/cep/).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from bridge.core.errors import ConfigError
from bridge.processing.patterns.errors import PatternFailed


class Strategy(StrEnum):
    """What is skipped after a match."""

    NO_SKIP = "NO_SKIP"
    SKIP_TO_NEXT = "SKIP_TO_NEXT"
    SKIP_PAST_LAST_EVENT = "SKIP_PAST_LAST_EVENT"
    SKIP_TO_FIRST = "SKIP_TO_FIRST"
    SKIP_TO_LAST = "SKIP_TO_LAST"


@dataclass(frozen=True, slots=True)
class AfterMatchSkip:
    """An after-match skip strategy; make it with one of the functions below.

    Attributes:
        strategy: which one.
        step: the step that ``SKIP_TO_FIRST`` and ``SKIP_TO_LAST`` skip to; None for the others.
        raises_on_miss: whether it is an error if a match has no event to skip to, or if that is the
            first event of the match. Otherwise nothing is skipped then.
    """

    strategy: Strategy
    step: str | None = None
    raises_on_miss: bool = False

    @staticmethod
    def no_skip() -> AfterMatchSkip:
        """Give every match. The default."""
        return AfterMatchSkip(Strategy.NO_SKIP)

    @staticmethod
    def skip_to_next() -> AfterMatchSkip:
        """Drop all that begins with the same event as the match."""
        return AfterMatchSkip(Strategy.SKIP_TO_NEXT)

    @staticmethod
    def skip_past_last_event() -> AfterMatchSkip:
        """Drop all that begins with an event up to the last one of the match."""
        return AfterMatchSkip(Strategy.SKIP_PAST_LAST_EVENT)

    @staticmethod
    def skip_to_first(step: str) -> AfterMatchSkip:
        """Drop all that begins before the first event of ``step`` in the match."""
        return AfterMatchSkip(Strategy.SKIP_TO_FIRST, step)

    @staticmethod
    def skip_to_last(step: str) -> AfterMatchSkip:
        """Drop all that begins before the last event of ``step`` in the match."""
        return AfterMatchSkip(Strategy.SKIP_TO_LAST, step)

    def throw_exception_on_miss(self) -> AfterMatchSkip:
        """Return the strategy that fails where there is nothing to skip to.

        Raises:
            ConfigError: the strategy does not skip to a step.
        """
        if self.step is None:
            raise ConfigError(
                f"throw_exception_on_miss() says nothing about {self.strategy}.",
                remedy="Use it with skip_to_first(step) or skip_to_last(step).",
            )
        return replace(self, raises_on_miss=True)

    @property
    def skips(self) -> bool:
        """Whether a match can make others go."""
        return self.strategy is not Strategy.NO_SKIP

    def first_kept(self, ordinals: Mapping[str, Sequence[int]]) -> int:
        """Return where a partial match has to begin, at the earliest, to outlive a match.

        Args:
            ordinals: the numbers of the events of the match, ascending, by step.

        Returns:
            The number of an event. What begins before it goes.

        Raises:
            PatternFailed: there is nothing to skip to, or it is the first event, so that the same
                match would be found forever.
        """
        start = min(numbers[0] for numbers in ordinals.values())
        match self.strategy:
            case Strategy.NO_SKIP:
                return start
            case Strategy.SKIP_TO_NEXT:
                return start + 1
            case Strategy.SKIP_PAST_LAST_EVENT:
                return max(numbers[-1] for numbers in ordinals.values()) + 1
        assert self.step is not None
        numbers = ordinals.get(self.step, ())
        target = None
        if numbers:
            target = numbers[0 if self.strategy is Strategy.SKIP_TO_FIRST else -1]
        if self.raises_on_miss and target is None:
            raise PatternFailed(
                f"{self.strategy} has no event of the step {self.step!r} to skip to.",
                step=self.step,
                remedy="Leave throw_exception_on_miss() away, or make the step mandatory.",
            )
        if self.raises_on_miss and target == start:
            raise PatternFailed(
                f"{self.strategy} would skip to the first event of the match, step "
                f"{self.step!r}, and find the same match forever.",
                step=self.step,
                remedy="Leave throw_exception_on_miss() away, or skip to a later step.",
            )
        return start if target is None else target
