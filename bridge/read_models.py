"""Read models put together: their Python, their views, and the threads that follow events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from bridge.config.read_models import DEFAULT_SCHEMA, ReadModelConfig
from bridge.core.errors import ConfigError
from bridge.core.retry import RetryPolicy
from bridge.dataflow.places import at_place
from bridge.eventsourcing.read_models import ReadModel
from bridge.eventsourcing.read_models.views import ViewStorage
from bridge.eventsourcing.store import EventStore
from bridge.runtime.read_models.follower import Follower
from bridge.runtime.retry import Backoff
from sinks.routing import load_object

if TYPE_CHECKING:
    from bridge.config import Config, SourceConfig
    from bridge.eventsourcing.events import DomainEvent
    from bridge.eventsourcing.storage import EventStorage

_JOIN_S = 10.0


class StoredEvents:
    """The events of a storage, as they were stored.

    Args:
        storage: of the events.
    """

    def __init__(self, storage: EventStorage) -> None:
        self._storage = storage
        self._store = EventStore(storage)

    @property
    def identity(self) -> str:
        """See ``EventSource``."""
        return self._storage.identity

    def last(self) -> int:
        """See ``EventSource``."""
        return self._storage.last()

    def read_all(self, from_sequence: int = 1) -> Iterator[DomainEvent]:
        """See ``EventSource``."""
        return self._store.read_all(from_sequence)


class Followers:
    """The threads of all read models, from entering the context to leaving it.

    Args:
        config: the configuration.
        storages: by the name of the projection, that of its events.
    """

    def __init__(self, config: Config, storages: Mapping[str, EventStorage]) -> None:
        self._followers = [
            _follower(read_model, storages[read_model.events], config.source)
            for read_model in config.read_models
        ]

    def __enter__(self) -> Followers:
        for follower in self._followers:
            follower.start()
        return self

    def __exit__(self, *_: object) -> None:
        for follower in self._followers:
            follower.stop()
        for follower in self._followers:
            follower.join(_JOIN_S)


def _follower(config: ReadModelConfig, storage: EventStorage, source: SourceConfig) -> Follower:
    model = load_read_model(config)
    return Follower(
        config.name,
        model,
        StoredEvents(storage),
        partial(open_views, config, model, source),
        backoff=Backoff(RetryPolicy()),
    )


def load_read_models(config: Config) -> None:
    """Make sure that every read model can be loaded.

    Raises:
        ConfigError: one cannot.
    """
    for read_model in config.read_models:
        load_read_model(read_model)


def load_read_model(config: ReadModelConfig) -> ReadModel[Any]:
    """Return the read model that the configuration names.

    Raises:
        ConfigError: there is none.
    """
    with at_place(f"read_models: {config.name}"):
        found = load_object(config.python, role="read model")
    if not isinstance(found, ReadModel):
        raise ConfigError(
            f"read_models: {config.name}: {config.python} is no ReadModel but "
            f"{type(found).__name__!r}.",
            remedy="Make one with bridge.ReadModel; docs/read-models.md has an example.",
        )
    return found


def open_views(config: ReadModelConfig, model: ReadModel[Any], source: SourceConfig) -> ViewStorage:
    """Open the view of a read model; what it needs is made.

    Raises:
        EnvironmentProblem: it cannot be used.
        Transient: it is away.
    """
    store = config.store
    if store.type == "sqlite":
        from bridge.runtime.read_models.sqlite_views import SqliteViews

        assert store.path is not None
        return SqliteViews(store.path, config.name, model.columns)
    from bridge.postgres.read_models import PostgresViews
    from bridge.store_database import store_database

    return PostgresViews(
        store_database(store.dsn, source),
        config.name,
        model.columns,
        schema=store.schema or DEFAULT_SCHEMA,
        publication=source.publication,
    )
