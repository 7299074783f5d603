"""Where the rows of a read model are kept: the contract of view storages."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from bridge.core.errors import BridgeError, EnvironmentProblem
from bridge.eventsourcing.read_models.model import Key, ReadModel, Values

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bridge.eventsourcing.events import DomainEvent


class EventSource(Protocol):
    """What a read model needs of an event store."""

    @property
    def identity(self) -> str:
        """See ``EventStorage``."""
        ...

    def last(self) -> int:
        """See ``EventStorage``."""
        ...

    def read_all(self, from_sequence: int = 1) -> Iterator[DomainEvent]:
        """See ``EventStore``."""
        ...


class Build(NamedTuple):
    """One table of rows, and how far it has come.

    Attributes:
        number: of the build, never used again; part of the table's name.
        version: of the read model that folds into it.
        layout: see ``ReadModel.layout``.
        source: identity of the event store that is folded.
        position: the highest global sequence whose event is in it; 0 for none.
    """

    number: int
    version: int
    layout: str
    source: str
    position: int


class ParkedEvent(NamedTuple):
    """An event that could not be folded, kept until the view is built anew.

    Attributes:
        global_sequence: of the event.
        event_id: of the event.
        event_type: of the event.
        aggregate_type: of the event.
        aggregate_id: of the event.
        reason: why, without values of it.
        parked_at: when, in microseconds since the Unix epoch.
    """

    global_sequence: int
    event_id: str
    event_type: str
    aggregate_type: str
    aggregate_id: str
    reason: str
    parked_at: int


class Superseded(BridgeError):
    """The build is not there any more, or another process has moved it: look at the view again."""


class ViewStorage(Protocol):
    """The view of one read model: readers find it as a view with the name of the read model.

    Used by one thread. Every method raises ``Transient`` if the database is away, and
    ``EnvironmentProblem`` if an operator has to act.
    """

    def live(self) -> Build | None:
        """Return the build that readers see; None before the first one."""
        ...

    def begin(self, version: int, source: str, *, live: bool) -> Build:
        """Make an empty build.

        Args:
            version: of the read model.
            source: identity of the event store.
            live: readers see it at once; returns the live build if there is one already. Else it
                stands beside the live build, in place of a build that was not finished.
        """
        ...

    def rows(self, build: Build, keys: Collection[Key]) -> Mapping[Key, Values]:
        """Return the rows of a build that have these keys. Raises ``Superseded``."""
        ...

    def commit(
        self,
        build: Build,
        position: int,
        changes: Mapping[Key, Values | None],
        parked: Sequence[ParkedEvent],
    ) -> Build:
        """Store changed rows (None: removed), parked events and the position, all or nothing.

        Returns:
            the build at its new position.

        Raises:
            Superseded: nothing was stored.
        """
        ...

    def swap(self, build: Build, *, even_if_behind: bool = False) -> bool:
        """Let readers see a build, and remove the one that they saw so far, all at once.

        Args:
            build: that has caught up.
            even_if_behind: also if the live build has come further.

        Returns:
            False if the live build has come further with the same events; nothing was done.

        Raises:
            Superseded: another build has taken its place.
        """
        ...

    def discard(self, build: Build) -> None:
        """Remove a build that is not live; does nothing if there is none."""
        ...

    def parked(self, limit: int) -> list[ParkedEvent]:
        """Return the first events that the live build could not fold, by global sequence."""
        ...

    def count_parked(self) -> int:
        """Return how many events the live build could not fold."""
        ...

    def close(self) -> None:
        """Close it."""
        ...


def superseded(name: str) -> Superseded:
    """Return the error of a build that is gone or was moved by somebody else."""
    return Superseded(
        f"Another process has taken over the view of the read model {name!r}.",
        remedy="Let only one process rebuild a read model at a time.",
    )


def name_taken(name: str, where: str) -> EnvironmentProblem:
    """Return the error for a table of somebody else that has the name of the view."""
    return EnvironmentProblem(
        f"There is a table or view {name!r} in {where} already, which is not of this read model.",
        remedy="Give the read model another name, or keep its view elsewhere.",
    )


def outdated(build: Build, model: ReadModel[Any], events: EventSource) -> str | None:
    """Return why a build cannot be gone on with; None if it can."""
    if build.version != model.version:
        return f"the view was built by version {build.version}, and this is {model.version}"
    if build.layout != model.layout:
        return "the columns of the view are not those of the read model"
    if build.source != events.identity:
        return "the view was built from another event store"
    last = events.last()
    if build.position > last:
        return f"the view holds event {build.position}, but the event store ends at {last}"
    return None


def park(event: DomainEvent, reason: str, now: float) -> ParkedEvent:
    """Return an event as it is parked; ``now`` is in seconds since the Unix epoch."""
    return ParkedEvent(
        event.global_sequence,
        event.event_id,
        _storable(event.event_type),
        _storable(event.aggregate_type),
        _storable(event.aggregate_id),
        _storable(reason),
        round(now * 1_000_000),
    )


def _storable(text: str) -> str:
    """Return the text as one that every database takes; only for what people read."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8").replace("\0", "\\0")
