"""Domain events, and snapshots of what they made of an aggregate."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from bridge.eventsourcing.event_id import new_event_id


class DomainEvent(Struct, frozen=True):
    """Something that happened to an aggregate. It is never changed once it is stored.

    A copy with other values comes from ``event.replace(version=2)``.

    Attributes:
        event_id: UUID as text. Appending an event with the same one again changes nothing.
        aggregate_id: which aggregate of its type.
        aggregate_type: such as ``Account``.
        event_type: what happened, such as ``MoneyDeposited``.
        version: of the schema of the event type's data, from 1.
        timestamp: when it happened, in microseconds since the Unix epoch.
        data: a JSON object. A Decimal is stored as a text.
        sequence: number in the aggregate: 1, 2, 3 and so on, without gaps; given by the store.
        metadata: a JSON object: who, why, on whose behalf. Left out, an empty one.
        global_sequence: place in the order of the whole store, given by the store. It increases in
            the order in which events become visible; there may be gaps.
    """

    event_id: str
    aggregate_id: str
    aggregate_type: str
    event_type: str
    version: int
    timestamp: int
    data: Mapping[str, Any]
    sequence: int = 0
    metadata: Mapping[str, Any] = {}  # each event has one of its own
    global_sequence: int = 0

    def __hash__(self) -> int:  # without data and metadata, which have none
        return hash((self.event_id, self.aggregate_id, self.aggregate_type, self.sequence))

    def __repr__(self) -> str:  # never the data, nor an id that may come from a row
        place = f", sequence {self.sequence}" if self.sequence else ""
        return f"<DomainEvent {self.event_type} v{self.version} of a {self.aggregate_type}{place}>"

    def replace(self, **changes: Any) -> DomainEvent:
        """Return a copy with other values.

        Raises:
            TypeError: an event has no attribute of such a name.
        """
        return replace(self, **changes)

    @classmethod
    def new(
        cls,
        aggregate_type: str,
        aggregate_id: str,
        event_type: str,
        data: Mapping[str, Any],
        *,
        version: int = 1,
        metadata: Mapping[str, Any] | None = None,
    ) -> DomainEvent:
        """Return an event that happens now, with a new ``event_id``."""
        return cls(
            new_event_id(),
            aggregate_id,
            aggregate_type,
            event_type,
            version,
            time.time_ns() // 1000,
            data,
            0,
            {} if metadata is None else metadata,
        )


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state of an aggregate after one of its events.

    Attributes:
        aggregate_id: which aggregate of its type.
        aggregate_type: its type.
        timestamp: when the snapshot was made, in microseconds since the Unix epoch.
        last_sequence: of the last event that the state contains.
        state: any JSON value.
        version: of the state's schema, from 1. States are rebuilt from snapshots of one version
            only; those of others stay unused.
        fold: the function that made the state, ``module:name``. Another function does not start
            from it. None: it is the state, whoever folds the events.
    """

    aggregate_id: str
    aggregate_type: str
    timestamp: int
    last_sequence: int
    state: Any = field(repr=False, hash=False)
    version: int = 1
    fold: str | None = None

    def __repr__(self) -> str:  # never the state, nor an id that may come from a row
        return f"<Snapshot v{self.version} of a {self.aggregate_type} at {self.last_sequence}>"
