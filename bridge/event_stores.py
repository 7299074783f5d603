"""Opens the storage of events that the settings name; loads what that one needs, and no more."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from bridge.config.event_store import StoreConfig

if TYPE_CHECKING:
    from bridge.config.model import SourceConfig
    from bridge.eventsourcing.storage import EventStorage

DEFAULT_SCHEMA = "pgbridge_events"
DEFAULT_REPLICAS = 3


def open_storage(settings: StoreConfig, *, source: SourceConfig | None = None) -> EventStorage:
    """Open a storage; make it if it does not exist. What was archived is read with the rest.

    Args:
        settings: which one.
        source: whose database a ``postgres`` without a ``dsn`` of its own is in, and whose
            publication must not send the tables of events.

    Raises:
        ConfigError: the settings lack something, or a library is not installed.
        EnvironmentProblem: the storage cannot be used.
        Transient: the storage is away.
    """
    from bridge.eventsourcing.archive.storage import ArchivedStorage
    from bridge.runtime.eventstores.segments import SegmentDirectory

    live = _open_live(settings, source)
    if settings.type == "memory":
        return live
    archive = settings.archive
    return ArchivedStorage(live, None if archive is None else SegmentDirectory(archive.dir))


def _open_live(settings: StoreConfig, source: SourceConfig | None) -> EventStorage:
    match settings.type:
        case "memory":
            from bridge.eventsourcing.memory import MemoryStorage

            return MemoryStorage(secrets.token_hex(16))
        case "sqlite":
            from bridge.runtime.eventstores.sqlite import SqliteStorage

            assert settings.path is not None
            return SqliteStorage(settings.path)
        case "postgres":
            from bridge.postgres.event_storage import PostgresStorage
            from bridge.store_database import store_database

            return PostgresStorage(
                store_database(settings.dsn, source),
                schema=settings.schema or DEFAULT_SCHEMA,
                publication=source.publication if source else None,
            )
        case "jetstream":
            from bridge.runtime.eventstores.jetstream import JetStreamStorage

            assert settings.servers is not None
            assert settings.stream is not None
            return JetStreamStorage(
                [server.reveal() for server in settings.servers],
                stream=settings.stream,
                replicas=settings.replicas or DEFAULT_REPLICAS,
            )
