"""How often, and for how long, a target that is away is tried again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

DEFAULT_INITIAL_DELAY_MS = 100
"""Most failures are a restart of the other side, over within a second."""

DEFAULT_MAX_DELAY_MS = 30_000
"""Caps how long a target that is back stays unused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Exponential backoff with full jitter: each pause is random below a bound that grows.

    Attributes:
        max_retries: how many attempts in a row may follow a failed one before the bridge stops;
            null: without end.
        initial_delay_ms: upper bound of the first pause.
        max_delay_ms: upper bound of every pause.
        backoff_multiplier: by how much the bound grows from one pause to the next.
        jitter: whether a pause is random below its bound; otherwise it is the bound.
        deadline_seconds: how long a target may fail before the bridge stops; null: for ever.
    """

    max_retries: int | None = field(default=None, metadata={"ge": 0})
    initial_delay_ms: int = field(default=DEFAULT_INITIAL_DELAY_MS, metadata={"ge": 1})
    max_delay_ms: int = field(default=DEFAULT_MAX_DELAY_MS, metadata={"ge": 1})
    backoff_multiplier: float = field(default=2.0, metadata={"ge": 1})
    jitter: bool = True
    deadline_seconds: float | None = field(default=None, metadata={"gt": 0})

    def __post_init__(self) -> None:
        if self.max_delay_ms < self.initial_delay_ms:
            raise ValueError("max_delay_ms is shorter than initial_delay_ms.")


class Backoff:
    """Counts failures in a row and says how long to pause after each.

    The pause is drawn from zero to the bound ("full jitter"), so that many processes that lost
    the same target do not come back in step.

    Args:
        policy: bounds and deadline.
        chance: returns a number from 0 up to 1.
        monotonic: the clock, in seconds.
    """

    def __init__(
        self, policy: RetryPolicy, *, chance: Callable[[], float], monotonic: Callable[[], float]
    ) -> None:
        self._policy = policy
        self._chance = chance
        self._monotonic = monotonic
        self._bound_s = policy.initial_delay_ms / 1000
        self._failures = 0
        self._failing_since: float | None = None

    def next_delay(self) -> float | None:
        """Take note of a failure. Returns the seconds to pause; None where the policy gives up.

        The deadline counts from the first failure in a row. The last pause ends with it, so that
        the target gets one attempt at the deadline itself.
        """
        policy = self._policy
        now = self._monotonic()
        if self._failing_since is None:
            self._failing_since = now
        self._failures += 1
        if policy.max_retries is not None and self._failures > policy.max_retries:
            return None
        delay = self._bound_s * self._chance() if policy.jitter else self._bound_s
        self._bound_s = min(self._bound_s * policy.backoff_multiplier, policy.max_delay_ms / 1000)
        if policy.deadline_seconds is None:
            return delay
        left = self._failing_since + policy.deadline_seconds - now
        return min(delay, left) if left > 0 else None

    def reset(self) -> None:
        """Take note of a success: the next failure is the first one again."""
        self._bound_s = self._policy.initial_delay_ms / 1000
        self._failures = 0
        self._failing_since = None
