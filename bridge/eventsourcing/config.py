"""How an event store works on its storage."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.core.errors import ConfigError

DEFAULT_SNAPSHOT_INTERVAL = 100
"""Reading a hundred events takes about as long as a snapshot of a state of their size."""

DEFAULT_MAX_EVENTS_IN_MEMORY = 1_000
"""A megabyte or less of usual events, and a round trip for as many as pay for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventStoreConfig:
    """Settings of an event store; each store may have others on the same storage.

    Attributes:
        enable_snapshots: whether states are rebuilt from snapshots, and snapshots are kept.
        snapshot_interval: ``rebuild_state`` keeps a snapshot when it has read this many events
            behind the one that it started from.
        max_events_in_memory: how many events an iterator holds at once.
        enable_archiving: whether ``archive`` may move old events into files.
    """

    enable_snapshots: bool = True
    snapshot_interval: int = DEFAULT_SNAPSHOT_INTERVAL
    max_events_in_memory: int = DEFAULT_MAX_EVENTS_IN_MEMORY
    enable_archiving: bool = False

    def __post_init__(self) -> None:
        for name in ("snapshot_interval", "max_events_in_memory"):
            value = getattr(self, name)
            if type(value) is not int or value < 1:
                raise ConfigError(f"{name} has to be a whole number from 1 on.")
