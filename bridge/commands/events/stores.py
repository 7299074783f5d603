"""The event store that a verb works on: that of a projection in the configuration."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bridge.core.errors import ConfigError, EnvironmentProblem

if TYPE_CHECKING:
    from bridge.config import Config
    from bridge.config.projections import ProjectionConfig
    from bridge.eventsourcing.archive.storage import ArchivedStorage
    from bridge.eventsourcing.storage import EventStorage


def projection_flag(parser: ArgumentParser) -> None:
    """Let the user say which projection's store is meant."""
    parser.add_argument(
        "--projection", metavar="NAME", help="whose store (the only one, if there is one)"
    )


def aggregate_type_flag(parser: ArgumentParser, *, required: bool = False) -> None:
    """Let the user say of which type an aggregate is."""
    parser.add_argument(
        "--aggregate-type", metavar="TYPE", required=required, help="type of the aggregate"
    )


def chosen_projection(config: Config, name: str | None) -> ProjectionConfig:
    """Return the projection that is meant.

    Raises:
        ConfigError: there is none, there are several, or its store is in memory.
    """
    names = ", ".join(projection.name for projection in config.projections)
    found = [it for it in config.projections if name in (None, it.name)]
    if not config.projections:
        raise ConfigError(
            "The configuration has no projections, and so no event store.",
            remedy="Add one under `projections`.",
        )
    if not found:
        raise ConfigError(f"No projection is called {name!r}.", remedy=f"There are: {names}.")
    if len(found) > 1:
        raise ConfigError(
            "There are several projections.", remedy=f"Name one with --projection: {names}."
        )
    if found[0].store.type == "memory":
        raise ConfigError(
            f"The store of projection {found[0].name} is in the memory of the bridge alone.",
            remedy="Give it a store that lasts, such as `{type: sqlite, path: ./state/events.db}`.",
        )
    return found[0]


@contextmanager
def open_store(
    config: Config, projection: ProjectionConfig, *, make: bool = False
) -> Iterator[ArchivedStorage]:
    """Open the store of a projection; the bridge may run meanwhile.

    Args:
        make: whether to make it if it does not exist.

    Raises:
        EnvironmentProblem: there is no such store, or it cannot be used.
        Transient: it is away.
    """
    from bridge.event_stores import open_storage
    from bridge.eventsourcing.archive.storage import ArchivedStorage

    path = projection.store.path
    if path is not None and not make and not path.exists():
        raise EnvironmentProblem(
            f"There is no event store in {path}.",
            remedy="It is made by the first run of the bridge, or by `pgbridge events append`.",
        )
    storage = open_storage(projection.store, source=config.source)
    assert isinstance(storage, ArchivedStorage)  # as all that are not in memory
    try:
        yield storage
    finally:
        storage.close()


def type_of(storage: EventStorage, aggregate_id: str, given: str | None) -> str:
    """Return the type of an aggregate that exists.

    Args:
        given: what the user says; None for the only type that has this id.

    Raises:
        UnknownAggregate: there is no such aggregate.
        AmbiguousAggregate: several types have this id.
    """
    from bridge.eventsourcing.errors import AmbiguousAggregate, UnknownAggregate

    types = storage.types_of(aggregate_id)
    if given in types:
        return given
    if given is not None or not types:
        raise UnknownAggregate(aggregate_id, given)
    if len(types) > 1:
        raise AmbiguousAggregate(aggregate_id, types)
    return types[0]
