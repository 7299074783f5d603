"""Opens the storage of events that the settings name; loads what that one needs, and no more."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from bridge.config.event_store import ArchiveConfig, StoreConfig
from bridge.core.errors import ConfigError

if TYPE_CHECKING:
    from bridge.config.model import SourceConfig
    from bridge.eventsourcing.archive.archiver import Archiver
    from bridge.eventsourcing.archive.files import SegmentFiles
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

    live = _open_live(settings, source)
    return live if settings.type == "memory" else ArchivedStorage(live, segment_files(settings))


def segment_files(settings: StoreConfig) -> SegmentFiles | None:
    """Return where the archived segments of a store are; None if the settings do not say."""
    from bridge.runtime.eventstores.segments import SegmentDirectory

    return None if settings.archive is None else SegmentDirectory(settings.archive.dir)


def make_archiver(storage: EventStorage, settings: ArchiveConfig) -> Archiver:
    """Return what moves old events of a storage that ``open_storage`` gave."""
    from bridge.eventsourcing.archive.archiver import Archiver
    from bridge.eventsourcing.archive.storage import ArchivedStorage
    from bridge.runtime.eventstores.segments import SegmentDirectory

    live = storage.live if isinstance(storage, ArchivedStorage) else storage
    return Archiver(live, SegmentDirectory(settings.dir))


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
            from bridge.postgres.connection import Database
            from bridge.postgres.event_storage import PostgresStorage

            dsn = settings.dsn or (source and (source.sql_dsn or source.dsn))
            if not dsn:
                raise ConfigError(
                    "The event store of type postgres has no dsn.",
                    remedy="Give the connection string of its database.",
                )
            return PostgresStorage(
                Database(dsn),
                schema=settings.schema or DEFAULT_SCHEMA,
                publication=source.publication if source else None,
            )
        case "jetstream":
            from bridge.runtime.eventstores.jetstream import JetStreamStorage

            assert settings.servers is not None
            assert settings.stream is not None
            return JetStreamStorage(
                settings.servers,
                stream=settings.stream,
                replicas=settings.replicas or DEFAULT_REPLICAS,
            )
