"""Errors of event stores; a branch of the tree in ``bridge.core.errors``.

::

    BridgeError
    ├── ConcurrencyConflict     somebody else has appended: read the aggregate again and decide anew
    ├── EventIdTaken            the event_id belongs to another event already
    ├── UnknownAggregate        there is no such aggregate
    ├── AmbiguousAggregate      aggregates of several types have this id: say which
    └── InvalidInput            no store takes this event, snapshot or argument

A storage that is away raises ``Transient``, one that is damaged ``EnvironmentProblem``.
Messages name types, sequences and event ids. Aggregate ids may come from rows: they are attributes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.core.errors import BridgeError

if TYPE_CHECKING:
    from bridge.eventsourcing.expected_version import ExpectedVersion


class ConcurrencyConflict(BridgeError):
    """The aggregate is not as the append expected it. Nothing was stored.

    Attributes:
        expected: what the append asked for.
        actual: the sequence of the aggregate's last event; 0 if it has none.
    """

    def __init__(
        self, aggregate_type: str, aggregate_id: str, *, expected: ExpectedVersion, actual: int
    ) -> None:
        there = f"its last event has the sequence {actual}" if actual else "it has no events"
        super().__init__(
            f"An aggregate of type {aggregate_type} is not as expected: expected version "
            f"{expected}, but {there}.",
            remedy="Read the aggregate again and decide on its new state.",
        )
        self.aggregate_type = aggregate_type
        self.aggregate_id = aggregate_id
        self.expected = expected
        self.actual = actual


class EventIdTaken(BridgeError):
    """An event_id of the append belongs to another event. Nothing was stored.

    Attributes:
        event_id: the one.
    """

    def __init__(self, event_id: str, message: str, *, remedy: str) -> None:
        super().__init__(message, remedy=remedy)
        self.event_id = event_id


class UnknownAggregate(BridgeError):
    """The store has no event of this aggregate."""

    def __init__(self, aggregate_id: str, aggregate_type: str | None) -> None:
        kind = f" of type {aggregate_type}" if aggregate_type is not None else ""
        super().__init__(
            f"The event store has no aggregate{kind} with this id.",
            remedy="Check id and type; an aggregate exists from its first event on.",
        )
        self.aggregate_id = aggregate_id
        self.aggregate_type = aggregate_type


class AmbiguousAggregate(BridgeError):
    """Aggregates of several types have this id."""

    def __init__(self, aggregate_id: str, types: tuple[str, ...]) -> None:
        super().__init__(
            f"Aggregates of several types have this id: {', '.join(types)}.",
            remedy="Say which one with aggregate_type.",
        )
        self.aggregate_id = aggregate_id
        self.types = types


class InvalidInput(BridgeError):
    """No event store takes this event, snapshot, expected version or argument."""
