"""The pauses between two attempts, by the clock and the chance of this machine."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from bridge.core import retry
from bridge.core.retry import RetryPolicy


class Backoff(retry.Backoff):
    """``bridge.core.retry.Backoff`` for threads that really wait."""

    def __init__(
        self,
        policy: RetryPolicy,
        *,
        chance: Callable[[], float] = random.random,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(policy, chance=chance, monotonic=monotonic)
