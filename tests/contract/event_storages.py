"""The storages of events, as the contract tests use them.

A new storage joins with a class and its line in ``HOMES``.
"""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any, Protocol

import pytest

from bridge.config.event_store import StoreConfig
from bridge.core.secret import Dsn, Secret
from bridge.event_stores import open_storage
from bridge.eventsourcing.archive.storage import ArchivedStorage
from bridge.eventsourcing.expected_version import ANY, ExpectedVersion
from bridge.eventsourcing.memory import MemoryStorage
from bridge.eventsourcing.records import NewEvent, Write
from bridge.eventsourcing.storage import EventStorage


class Home(Protocol):
    """Where a storage is."""

    def open(self) -> EventStorage:
        """Open the storage; the second time, the same one again."""
        ...


class DurableHome(Home, Protocol):
    """Where a storage is that other processes can open, with ``open_storage(settings_of(...))``."""

    @property
    def settings(self) -> dict[str, Any]: ...


class MemoryHome:
    """Memory: a storage that is opened again is the same object."""

    def __init__(self, request: pytest.FixtureRequest) -> None:
        self._storage = MemoryStorage("a1" * 16)

    def open(self) -> EventStorage:
        return self._storage


class SqliteHome:
    """A file."""

    def __init__(self, request: pytest.FixtureRequest) -> None:
        path = request.getfixturevalue("tmp_path") / "events" / "events.db"
        self.settings = {"type": "sqlite", "path": str(path)}

    def open(self) -> EventStorage:
        return open_storage(settings_of(self.settings))


class PostgresHome:
    """A database."""

    def __init__(self, request: pytest.FixtureRequest) -> None:
        self.database = request.getfixturevalue("newest_database")
        self.settings = {"type": "postgres", "dsn": self.database.dsn}

    def open(self) -> EventStorage:
        return open_storage(settings_of(self.settings))


class JetStreamHome:
    """A stream that no other test uses, in a cluster of three nodes."""

    def __init__(self, request: pytest.FixtureRequest) -> None:
        self.cluster = request.getfixturevalue("nats_cluster")
        self.settings = {
            "type": "jetstream",
            "servers": self.cluster.servers,
            "stream": f"events-{uuid.uuid4().hex[:12]}",
        }

    def open(self) -> EventStorage:
        return open_storage(settings_of(self.settings))


HOMES = [
    pytest.param(MemoryHome, id="memory"),
    pytest.param(SqliteHome, id="sqlite"),
    pytest.param(PostgresHome, id="postgres"),
    pytest.param(JetStreamHome, id="jetstream"),
]
DURABLE_HOMES = HOMES[1:]
ATOMIC_HOMES = HOMES[:3]
"""Those that store several writes of one append together or not at all."""


def settings_of(values: dict[str, Any]) -> StoreConfig:
    """Return the settings that plain values, such as those of a JSON file, stand for."""
    kinds = {"path": Path, "dsn": Dsn, "servers": lambda urls: tuple(map(Secret, urls))}
    return StoreConfig(
        **{name: kinds.get(name, lambda same: same)(value) for name, value in values.items()}
    )


def make_event(number: int, *, event_type: str = "Counted", **values: Any) -> NewEvent:
    """Return an event whose ``event_id`` and data tell its number."""
    return NewEvent(
        event_id=f"00000000-0000-4000-8000-{number:012x}",
        event_type=event_type,
        version=1,
        timestamp=1_700_000_000_000_000 + number,
        data=json.dumps({"n": number, **values}),
        metadata="{}",
    )


def make_write(
    *numbers: int,
    aggregate: str = "one",
    kind: str = "Counter",
    expected: ExpectedVersion = ANY,
    event_type: str = "Counted",
) -> Write:
    """Return a write of the events with these numbers."""
    events = tuple(make_event(number, event_type=event_type) for number in numbers)
    return Write(kind, aggregate, expected, events)


def live_of(storage: EventStorage) -> EventStorage:
    """Return the storage itself, which does not read what was archived."""
    return storage.live if isinstance(storage, ArchivedStorage) else storage
