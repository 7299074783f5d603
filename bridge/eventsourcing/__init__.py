"""Event sourcing: domain events in an append-only store, and states rebuilt from them.

The names below are the public API. A storage to put into an ``EventStore`` is opened by
``bridge.event_stores.open_storage``.
"""

from __future__ import annotations

from bridge.eventsourcing.config import EventStoreConfig
from bridge.eventsourcing.errors import (
    AmbiguousAggregate,
    ConcurrencyConflict,
    EventIdTaken,
    InvalidInput,
    UnknownAggregate,
)
from bridge.eventsourcing.events import DomainEvent, Snapshot
from bridge.eventsourcing.expected_version import (
    ANY,
    NO_STREAM,
    STREAM_EXISTS,
    ExpectedVersion,
)
from bridge.eventsourcing.memory import MemoryStorage
from bridge.eventsourcing.store import EventStore, EventStoreStats
from bridge.eventsourcing.upcasting import MissingUpcaster, Upcasters

__all__ = [
    "ANY",
    "NO_STREAM",
    "STREAM_EXISTS",
    "AmbiguousAggregate",
    "ConcurrencyConflict",
    "DomainEvent",
    "EventIdTaken",
    "EventStore",
    "EventStoreConfig",
    "EventStoreStats",
    "ExpectedVersion",
    "InvalidInput",
    "MemoryStorage",
    "MissingUpcaster",
    "Snapshot",
    "UnknownAggregate",
    "Upcasters",
]
