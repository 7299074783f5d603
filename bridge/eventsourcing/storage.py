"""The contract of storages of events. ``tests/contract/test_event_store.py`` checks them all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from bridge.eventsourcing.records import (
    AggregateHead,
    Progress,
    Recorded,
    Segment,
    SnapshotRecord,
    Write,
)


class EventStorage(Protocol):
    """Keeps events, append-only, with snapshots of aggregates and the progress of projections.

    Any thread may call any method at any time. What a method has stored is durable when it returns
    (as far as the storage is). A visible event is never changed, and only ``archive``
    removes it. Methods that read several records return at most ``limit`` of them; fewer than
    ``limit`` means that there are no more.

    Raises:
        Transient: any method, if the storage is away: the same call may succeed later.
        EnvironmentProblem: any method, if the storage is damaged or cannot be used.
    """

    @property
    def identity(self) -> str:
        """Hexadecimal digits made when the storage was created: another storage has others."""
        ...

    def append(self, writes: Sequence[Write], progress: Progress | None = None) -> list[Recorded]:
        """Store all events of all writes and the progress, in one transaction.

        The order of the writes becomes the order of global sequences. A write whose events are all
        stored already changes nothing and is not held against its expectation. No writes, only a
        progress, is fine.

        Returns:
            the stored events of all writes, in their order.

        Raises:
            ConcurrencyConflict: an aggregate is not as expected; nothing was stored.
            EventIdTaken: an event_id belongs to another event; nothing was stored.
        """
        ...

    def read_aggregate(
        self, aggregate_type: str, aggregate_id: str, after: int, limit: int
    ) -> list[Recorded]:
        """Return events of an aggregate with ``sequence > after``, in order; none if unknown."""
        ...

    def read_type(self, event_type: str, after: int, limit: int) -> list[Recorded]:
        """Return events of a type with ``global_sequence > after``, in global order."""
        ...

    def read_all(self, after: int, limit: int) -> list[Recorded]:
        """Return events with ``global_sequence > after``, in global order."""
        ...

    def head(self, aggregate_type: str, aggregate_id: str) -> AggregateHead | None:
        """Return where an aggregate ends; None if it never had an event."""
        ...

    def types_of(self, aggregate_id: str) -> tuple[str, ...]:
        """Return the types of all aggregates with this id, sorted."""
        ...

    def aggregates(self, after: tuple[str, str] | None, limit: int) -> list[AggregateHead]:
        """Return the aggregates behind the one with type and id ``after``, by type and id.

        Texts are in the order of their Unicode code points.
        """
        ...

    def last(self) -> int:
        """Return the highest global sequence that was ever given; 0 if there was none."""
        ...

    def save_snapshot(self, snapshot: SnapshotRecord) -> None:
        """Keep the snapshot, unless there is a newer one of its aggregate and version."""
        ...

    def snapshot(
        self, aggregate_type: str, aggregate_id: str, version: int | None
    ) -> SnapshotRecord | None:
        """Return the newest snapshot of an aggregate: of this version of its state's schema.

        Without a version, the one of any version that contains the most events.
        """
        ...

    def progress(self, name: str) -> Progress | None:
        """Return how far the projection has come; None if it never began."""
        ...

    def archive(self, segment: Segment, removed: Sequence[tuple[str, str, int]]) -> None:
        """Register a segment and remove the events that are in it.

        One transaction where the storage has them. Otherwise the segment comes first, and doing it
        again after a crash ends what was begun. Doing it twice is doing it once.

        Args:
            segment: the file, which is durable already.
            removed: aggregate type, aggregate id, and the sequence up to which events go.
        """
        ...

    def segments(self) -> tuple[Segment, ...]:
        """Return the registered segments by their first global sequence."""
        ...

    def counts(self) -> Mapping[str, int]:
        """Return how many ``events``, ``aggregates`` and ``snapshots`` the storage itself holds."""
        ...

    def close(self) -> None:
        """Let go of connections and files. May be called again."""
        ...
