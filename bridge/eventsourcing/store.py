"""The event store: domain events into a storage, out of it, and states rebuilt from them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from bridge.eventsourcing.archive.storage import ArchivedStorage
from bridge.eventsourcing.checks import (
    MAX_ID,
    MAX_NAME,
    Checked,
    check_from,
    check_text,
    check_timestamp,
    checked,
)
from bridge.eventsourcing.config import EventStoreConfig
from bridge.eventsourcing.encoding import damaged, decode, is_exact
from bridge.eventsourcing.errors import AmbiguousAggregate, InvalidInput, UnknownAggregate
from bridge.eventsourcing.events import DomainEvent, Snapshot
from bridge.eventsourcing.expected_version import ANY, ExpectedVersion
from bridge.eventsourcing.records import AggregateHead, Recorded
from bridge.eventsourcing.snapshots import (
    check_snapshot,
    check_stored,
    fold_name,
    snapshot_of,
    snapshot_record,
)
from bridge.eventsourcing.storage import EventStorage

if TYPE_CHECKING:
    from bridge.eventsourcing.upcasting import Upcasters

S = TypeVar("S")


@dataclass(frozen=True, slots=True, kw_only=True)
class EventStoreStats:
    """How much there is.

    Attributes:
        events: all of them, archived ones too.
        aggregates: how many have events.
        snapshots: how many are kept.
        archived_events: those of ``events`` that are in segment files.
        segments: how many files.
        last_global_sequence: of the newest event; 0 if there was none.
    """

    events: int
    aggregates: int
    snapshots: int
    archived_events: int
    segments: int
    last_global_sequence: int


class EventStore:
    """Appends and reads domain events. Any thread may use it.

    Args:
        storage: where the events are; closed by ``close``.
        config: how the store works on it.
        upcasters: bring events of older versions to the newest when they are read.

    Raises:
        Transient: any method, if the storage is away; the same call may succeed later.
        EnvironmentProblem: any method, if the storage is damaged or cannot be used.
    """

    def __init__(
        self,
        storage: EventStorage,
        config: EventStoreConfig | None = None,
        *,
        upcasters: Upcasters | None = None,
    ) -> None:
        self.storage = storage
        self.config = config or EventStoreConfig()
        self._upcasters = upcasters

    def append_event(
        self, event: DomainEvent, expected_version: ExpectedVersion = ANY
    ) -> DomainEvent:
        """Append one event; see ``append_events``."""
        return self.append_events([event], expected_version)[0]

    def append_events(
        self, events: Sequence[DomainEvent], expected_version: ExpectedVersion = ANY
    ) -> list[DomainEvent]:
        """Append events to one aggregate: all of them or none.

        Appending what is stored already changes nothing, whatever the expected version.

        Args:
            events: of the same aggregate. Their ``sequence`` and ``global_sequence`` do not matter.
            expected_version: ``ANY``, ``NO_STREAM``, ``STREAM_EXISTS``, or the ``sequence`` of the
                last event that the caller has seen.

        Returns:
            the events as they are stored.

        Raises:
            ConcurrencyConflict: the aggregate is not as expected.
            EventIdTaken: an event_id belongs to another event.
            InvalidInput: no store takes such an event, or such an expected version.
        """
        if not events:
            return []
        accepted = checked(events, expected_version)
        return _answer(self.storage.append([accepted.write]), accepted)

    def get_events(
        self, aggregate_id: str, from_seq: int = 1, *, aggregate_type: str | None = None
    ) -> Iterator[DomainEvent]:
        """Read the events of an aggregate in order.

        Args:
            aggregate_id: of the aggregate.
            from_seq: sequence of the first event that is read.
            aggregate_type: may be left out if there is only one type with this id.

        Raises:
            UnknownAggregate: there is none.
            AmbiguousAggregate: there are several.
            InvalidInput: an argument cannot be used.
        """
        check_from(from_seq, "from_seq")
        head = self._head(aggregate_id, aggregate_type)
        found = self._of_aggregate(head.aggregate_type, aggregate_id, from_seq - 1)
        return map(self._event, found)

    def get_events_by_type(self, event_type: str, from_sequence: int = 1) -> Iterator[DomainEvent]:
        """Read the events of a type in global order, from this global sequence on.

        Raises:
            InvalidInput: an argument cannot be used.
        """
        check_text(event_type, "event_type", MAX_NAME)
        check_from(from_sequence, "from_sequence")

        def page(after: int, limit: int) -> list[Recorded]:
            return self.storage.read_type(event_type, after, limit)

        return map(self._event, self._in_global_order(page, from_sequence - 1))

    def read_all(self, from_sequence: int = 1) -> Iterator[DomainEvent]:
        """Read all events in global order, from this global sequence on, up to the newest one.

        Who goes on later behind the last event that it got misses none and sees none twice.

        Raises:
            InvalidInput: the argument cannot be used.
        """
        check_from(from_sequence, "from_sequence")
        return map(self._event, self._in_global_order(self.storage.read_all, from_sequence - 1))

    def rebuild_state(
        self,
        aggregate_id: str,
        initial: S,
        apply: Callable[[S, DomainEvent], S],
        *,
        aggregate_type: str | None = None,
        snapshot_version: int = 1,
    ) -> S:
        """Fold the events of an aggregate into its state, from the newest usable snapshot on.

        After ``snapshot_interval`` events the state is kept as a snapshot, if reading it back gives
        the same state (it is made of dict, list, str, int, float, bool and None) and the function
        has a name of its own (it is neither a lambda nor inside another function).

        Args:
            aggregate_id: of the aggregate.
            initial: state before the first event; it is copied.
            apply: takes a state and the next event and returns the state after it.
            aggregate_type: may be left out if there is only one type with this id.
            snapshot_version: of the state's schema. Raise it when ``apply`` or the form of the
                state changes: snapshots of other versions are not used.

        Raises:
            UnknownAggregate: there is none.
            AmbiguousAggregate: there are several.
            EnvironmentProblem: a snapshot is newer than the events: the storage has lost some.
        """
        _check_version(snapshot_version)
        kind = self._type_of(aggregate_id, aggregate_type)
        fold = fold_name(apply)
        state, start, snapshot = deepcopy(initial), 0, None
        if self.config.enable_snapshots:
            snapshot = self._snapshot(kind, aggregate_id, snapshot_version)
            if snapshot is not None and snapshot.fold in (None, fold):
                state, start = snapshot.state, snapshot.last_sequence
        last = start
        for recorded in self._of_aggregate(kind, aggregate_id, start):
            state = apply(state, self._event(recorded))
            last = recorded.sequence
        if last == start or (snapshot is not None and snapshot.last_sequence > last):
            # Events behind a snapshot tell that it is not newer than they are; else we have to ask.
            head = self._head(aggregate_id, kind)
            if snapshot is not None:
                check_stored(snapshot, head)
        is_due = self.config.enable_snapshots and last - start >= self.config.snapshot_interval
        if is_due and fold is not None and is_exact(state):
            now = time.time_ns() // 1000
            made = Snapshot(aggregate_id, kind, now, last, state, snapshot_version, fold)
            self.storage.save_snapshot(snapshot_record(made))
        return state

    def save_snapshot(self, snapshot: Snapshot) -> None:
        """Keep a state, so that rebuilding the aggregate starts from it.

        An older one than that of the same version which is there already changes nothing.

        Raises:
            UnknownAggregate: there is no such aggregate.
            InvalidInput: the state is no JSON, or newer than the events, or snapshots are off.
        """
        if not self.config.enable_snapshots:
            raise InvalidInput(
                "This event store keeps no snapshots.", remedy="Set enable_snapshots."
            )
        check_text(snapshot.aggregate_type, "aggregate_type", MAX_NAME)
        check_from(snapshot.last_sequence, "last_sequence")
        check_timestamp(snapshot.timestamp, f"a snapshot of {snapshot.aggregate_type}")
        _check_version(snapshot.version)
        check_snapshot(snapshot, self._head(snapshot.aggregate_id, snapshot.aggregate_type))
        self.storage.save_snapshot(snapshot_record(snapshot))

    def get_snapshot(
        self, aggregate_id: str, *, aggregate_type: str | None = None, version: int | None = None
    ) -> Snapshot | None:
        """Return the newest snapshot of an aggregate; None if it has none.

        Args:
            aggregate_id: of the aggregate.
            aggregate_type: may be left out if there is only one type with this id.
            version: of the state's schema; left out, the newest snapshot of any version.

        Raises:
            UnknownAggregate: there is no such aggregate.
            AmbiguousAggregate: there are several.
            EnvironmentProblem: it is newer than the events: the storage has lost some.
        """
        if version is not None:
            _check_version(version)
        head = self._head(aggregate_id, aggregate_type)
        snapshot = self._snapshot(head.aggregate_type, aggregate_id, version)
        if snapshot is not None:
            if snapshot.last_sequence > head.last_sequence:  # then it may have been made just now
                head = self._head(aggregate_id, head.aggregate_type)
            check_stored(snapshot, head)
        return snapshot

    def archive(self, older_than: timedelta) -> int:
        """Move events of this age, up to the newest snapshots, into files; reads go on as before.

        Returns:
            how many moved.

        Raises:
            InvalidInput: archiving is off, or nothing says where the files go.
            EnvironmentProblem: the disk refuses, or somebody else archives this storage.
        """
        if not self.config.enable_archiving:
            raise InvalidInput("This event store archives nothing.", remedy="Set enable_archiving.")
        if not isinstance(self.storage, ArchivedStorage):
            raise InvalidInput(
                "This storage cannot archive.", remedy="Open it with `archive` in its settings."
            )
        now = time.time_ns() // 1000
        before = now - older_than // timedelta(microseconds=1)
        made = self.storage.archiver().run(before=before, now=now)
        return sum(segment.events for segment in made)

    def get_stats(self) -> EventStoreStats:
        """Return how much there is."""
        counts, segments = self.storage.counts(), self.storage.segments()
        archived = sum(segment.events for segment in segments)
        return EventStoreStats(
            events=counts["events"] + archived,
            aggregates=counts["aggregates"],
            snapshots=counts["snapshots"],
            archived_events=archived,
            segments=len(segments),
            last_global_sequence=self.storage.last(),
        )

    def close(self) -> None:
        """Close the storage. May be called again."""
        self.storage.close()

    def __enter__(self) -> EventStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _type_of(self, aggregate_id: str, aggregate_type: str | None) -> str:
        check_text(aggregate_id, "aggregate_id", MAX_ID)
        if aggregate_type is not None:
            check_text(aggregate_type, "aggregate_type", MAX_NAME)
            return aggregate_type
        types = self.storage.types_of(aggregate_id)
        if not types:
            raise UnknownAggregate(aggregate_id, None)
        if len(types) > 1:
            raise AmbiguousAggregate(aggregate_id, types)
        return types[0]

    def _head(self, aggregate_id: str, aggregate_type: str | None) -> AggregateHead:
        head = self.storage.head(self._type_of(aggregate_id, aggregate_type), aggregate_id)
        if head is None:
            raise UnknownAggregate(aggregate_id, aggregate_type)
        return head

    def _snapshot(self, kind: str, aggregate_id: str, version: int | None) -> Snapshot | None:
        found = self.storage.snapshot(kind, aggregate_id, version)
        return None if found is None else snapshot_of(found)

    def _event(self, recorded: Recorded) -> DomainEvent:
        event = _stored_event(recorded)
        if self._upcasters is None:
            return event
        version, data = self._upcasters.upcast(event.event_type, event.version, dict(event.data))
        if version == event.version:
            return event
        return event.replace(version=version, data=data)

    def _of_aggregate(self, kind: str, aggregate_id: str, after: int) -> Iterator[Recorded]:
        limit = self.config.max_events_in_memory
        while True:
            page = self.storage.read_aggregate(kind, aggregate_id, after, limit)
            yield from page
            if len(page) < limit:
                return
            after = page[-1].sequence

    def _in_global_order(
        self, read: Callable[[int, int], list[Recorded]], after: int
    ) -> Iterator[Recorded]:
        limit = self.config.max_events_in_memory
        while True:
            page = read(after, limit)
            yield from page
            if len(page) < limit:
                return
            after = page[-1].global_sequence


def _answer(stored: list[Recorded], accepted: Checked) -> list[DomainEvent]:
    """Return events as they are stored; if those are what was given, without decoding them."""
    columns = zip(*stored, strict=True)
    places, kinds, keys, sequences, ids, types, versions, times, texts, abouts = columns
    _, data, metadata = accepted
    if [*texts] != data.texts or [*abouts] != metadata.texts:  # they were stored already
        return list(map(_stored_event, stored))
    head = ids, keys, kinds, types, versions, times
    return list(map(DomainEvent, *head, data.read, sequences, metadata.read, places))


def _stored_event(recorded: Recorded) -> DomainEvent:
    place, kind, key, sequence, event_id, event_type, version, timestamp, text, about = recorded
    try:
        return DomainEvent(
            event_id,
            key,
            kind,
            event_type,
            version,
            timestamp,
            decode(text),
            sequence,
            {} if about == "{}" else decode(about),
            place,
        )
    except ValueError:
        raise damaged(f"The {event_type} with global sequence {place}") from None


def _check_version(version: Any) -> None:
    if type(version) is not int or version < 1:
        raise InvalidInput(
            "The version of a snapshot has to be a whole number from 1 on.",
            remedy="It is the version of the state's schema; the first one is 1.",
        )
