"""The pauses between two attempts."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from bridge.core.retry import RetryPolicy


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
        self,
        policy: RetryPolicy,
        *,
        chance: Callable[[], float] = random.random,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._policy = policy
        self._chance = chance
        self._monotonic = monotonic
        self._bound_s = policy.initial_delay_ms / 1000
        self._failing_since: float | None = None

    def next_delay(self) -> float | None:
        """Take note of a failure. Returns the seconds to pause; None after the deadline.

        The deadline counts from the first failure in a row. The last pause ends with it, so that
        the target gets one attempt at the deadline itself.
        """
        now = self._monotonic()
        if self._failing_since is None:
            self._failing_since = now
        delay = self._bound_s * self._chance()
        self._bound_s = min(
            self._bound_s * self._policy.backoff_multiplier, self._policy.max_delay_ms / 1000
        )
        if self._policy.deadline_seconds is None:
            return delay
        left = self._failing_since + self._policy.deadline_seconds - now
        return min(delay, left) if left > 0 else None

    def reset(self) -> None:
        """Take note of a success: the next failure is the first one again."""
        self._bound_s = self._policy.initial_delay_ms / 1000
        self._failing_since = None
