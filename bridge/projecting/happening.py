"""What a change meant: an event that has not got its place and its identifier yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from bridge.core.events import CdcEvent
from bridge.core.relation import Relation, ReplicaIdentity
from bridge.eventsourcing.checks import write_of
from bridge.eventsourcing.events import DomainEvent
from bridge.eventsourcing.expected_version import ANY


class Rejection(Exception):
    """A change gives no event that could be stored; the message says why, without its values."""


class Happening(NamedTuple):
    """An event as a change tells it.

    Attributes:
        version: of the schema of the data.
        data: a JSON object, as text.
        metadata: what the application gave; how the event came about is added to it.
        event_id: UUID that the application gave; None for one that is made of the change.
        timestamp: that the application gave, in microseconds since the Unix epoch; None for the
            time of the commit.
    """

    aggregate_type: str
    aggregate_id: str
    event_type: str
    version: int
    data: str
    metadata: Mapping[str, Any] = {}
    event_id: str | None = None
    timestamp: int | None = None


def happening_of(event: DomainEvent, *, placed: bool) -> Happening:
    """Return an event that an application or a function has made.

    Args:
        event: as it was made.
        placed: whether its identifier and its time count.

    Raises:
        InvalidInput: no store takes it.
    """
    [new] = write_of([event], ANY).events
    return Happening(
        event.aggregate_type,
        event.aggregate_id,
        new.event_type,
        new.version,
        new.data,
        event.metadata,
        new.event_id if placed else None,
        new.timestamp if placed else None,
    )


class OldValues(NamedTuple):
    """What a definition reads of rows as they were before a change.

    Attributes:
        columns: that have to be part of the replica identity.
        rows: whether whole rows are needed, so that the identity has to be FULL.
    """

    columns: frozenset[str]
    rows: str | None

    def lacking(self, identity: ReplicaIdentity, columns: Mapping[str, bool]) -> str | None:
        """Return what the server does not send of them; None if it sends all.

        Args:
            identity: the replica identity of the table.
            columns: of the table, and whether each is part of that identity.
        """
        if identity is ReplicaIdentity.FULL:
            return None
        if self.rows is not None:
            return self.rows
        return next((name for name in sorted(self.columns) if not columns.get(name, True)), None)


class EventSource(Protocol):
    """One thing that events come from: the rows of a table, an outbox, a function.

    Attributes:
        tables: names or patterns of the tables whose changes it looks at.
        old_values: what it reads of rows before a change.
    """

    @property
    def tables(self) -> Sequence[str]: ...
    @property
    def old_values(self) -> OldValues: ...

    def selects(self, relation: Relation) -> bool:
        """Whether it looks at changes of a table."""
        ...

    def check(self, relation: Relation) -> None:
        """Check a table that it looks at, when it is seen first.

        Raises:
            ConfigError: the table lacks what the definition names, or has it in another type.
        """
        ...

    def project(self, event: CdcEvent) -> list[Happening]:
        """Return what a change of such a table meant.

        Raises:
            Rejection: it cannot be said.
            EvaluationError: an expression has no value.
            InvalidInput: no store takes the event.
        """
        ...
