"""How often, and for how long, a target that is away is tried again."""

from __future__ import annotations

from dataclasses import dataclass, field

DEFAULT_INITIAL_DELAY_MS = 100
"""Most failures are a restart of the other side, over within a second."""

DEFAULT_MAX_DELAY_MS = 30_000
"""Caps how long a target that is back stays unused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Exponential backoff with full jitter: each pause is random below a bound that grows.

    Attributes:
        initial_delay_ms: upper bound of the first pause.
        max_delay_ms: upper bound of every pause.
        backoff_multiplier: by how much the bound grows from one pause to the next.
        deadline_seconds: how long a target may fail before the bridge stops; null: for ever.
    """

    initial_delay_ms: int = field(default=DEFAULT_INITIAL_DELAY_MS, metadata={"ge": 1})
    max_delay_ms: int = field(default=DEFAULT_MAX_DELAY_MS, metadata={"ge": 1})
    backoff_multiplier: float = field(default=2.0, metadata={"ge": 1})
    deadline_seconds: float | None = field(default=None, metadata={"gt": 0})

    def __post_init__(self) -> None:
        if self.max_delay_ms < self.initial_delay_ms:
            raise ValueError("max_delay_ms is shorter than initial_delay_ms.")
