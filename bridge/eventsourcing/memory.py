"""A storage of events in memory: for tests, and for what need not be remembered."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from operator import attrgetter
from threading import Lock

from bridge.eventsourcing.appending import already_stored, first_sequence, record
from bridge.eventsourcing.records import (
    AggregateHead,
    Progress,
    Recorded,
    Segment,
    SnapshotRecord,
    Write,
)

_sequence = attrgetter("sequence")
_last_sequence = attrgetter("last_sequence", "version")
_global_sequence = attrgetter("global_sequence")


@dataclass(slots=True)
class _Aggregate:
    last_sequence: int = 0
    archived: int = 0
    events: list[Recorded] = field(default_factory=list)


class MemoryStorage:
    """Keeps everything as long as the object lives; see ``EventStorage``.

    Args:
        identity: hexadecimal digits that no other storage has.
    """

    def __init__(self, identity: str) -> None:
        self._identity = identity
        self._guard = Lock()
        self._events: list[Recorded] = []
        self._last = 0
        self._aggregates: dict[tuple[str, str], _Aggregate] = {}
        self._by_type: dict[str, list[Recorded]] = {}
        self._by_id: dict[str, Recorded] = {}
        self._snapshots: dict[tuple[str, str], dict[int, SnapshotRecord]] = {}
        self._progress: dict[str, Progress] = {}
        self._segments: dict[str, Segment] = {}

    @property
    def identity(self) -> str:
        """See ``EventStorage``."""
        return self._identity

    def append(self, writes: Sequence[Write], progress: Progress | None = None) -> list[Recorded]:
        """See ``EventStorage``."""
        with self._guard:
            answer, new = self._decide(writes)
            for event in new:
                self._add(event)
            if progress is not None:
                self._progress[progress.name] = progress
        return answer

    def _decide(self, writes: Sequence[Write]) -> tuple[list[Recorded], list[Recorded]]:
        """Return the events of all writes, and those of them that are new; changes nothing."""
        answer: list[Recorded] = []
        new: list[Recorded] = []
        new_by_id: dict[str, Recorded] = {}
        ends: dict[tuple[str, str], int] = {}
        for write in writes:
            ids = [event.event_id for event in write.events]
            known = (self._by_id.get(one) or new_by_id.get(one) for one in ids)
            events = already_stored(write, {event.event_id: event for event in known if event})
            if events is None:
                key = write.aggregate_type, write.aggregate_id
                found = self._aggregates.get(key)
                actual = ends.get(key, found.last_sequence if found else 0)
                first = first_sequence(write, actual)
                events = record(write, first, self._last + len(new) + 1)
                ends[key] = events[-1].sequence
                new_by_id.update(zip(ids, events, strict=True))
                new += events
            answer += events
        return answer, new

    def _add(self, event: Recorded) -> None:
        key = event.aggregate_type, event.aggregate_id
        aggregate = self._aggregates.setdefault(key, _Aggregate())
        aggregate.events.append(event)
        aggregate.last_sequence = event.sequence
        self._events.append(event)
        self._by_type.setdefault(event.event_type, []).append(event)
        self._by_id[event.event_id] = event
        self._last = event.global_sequence

    def read_aggregate(
        self, aggregate_type: str, aggregate_id: str, after: int, limit: int
    ) -> list[Recorded]:
        """See ``EventStorage``."""
        with self._guard:
            found = self._aggregates.get((aggregate_type, aggregate_id))
            events = found.events if found else []
            start = bisect_right(events, after, key=_sequence)
            return events[start : start + limit]

    def read_type(self, event_type: str, after: int, limit: int) -> list[Recorded]:
        """See ``EventStorage``."""
        with self._guard:
            return _page(self._by_type.get(event_type, []), after, limit)

    def read_all(self, after: int, limit: int) -> list[Recorded]:
        """See ``EventStorage``."""
        with self._guard:
            return _page(self._events, after, limit)

    def head(self, aggregate_type: str, aggregate_id: str) -> AggregateHead | None:
        """See ``EventStorage``."""
        with self._guard:
            found = self._aggregates.get((aggregate_type, aggregate_id))
            if found is None:
                return None
            return AggregateHead(aggregate_type, aggregate_id, found.last_sequence, found.archived)

    def types_of(self, aggregate_id: str) -> tuple[str, ...]:
        """See ``EventStorage``."""
        with self._guard:
            return tuple(sorted(kind for kind, own in self._aggregates if own == aggregate_id))

    def aggregates(self, after: tuple[str, str] | None, limit: int) -> list[AggregateHead]:
        """See ``EventStorage``."""
        with self._guard:
            keys = sorted(key for key in self._aggregates if after is None or key > after)
            return [
                AggregateHead(*key, found.last_sequence, found.archived)
                for key in islice(keys, limit)
                for found in (self._aggregates[key],)
            ]

    def last(self) -> int:
        """See ``EventStorage``."""
        with self._guard:
            return self._last

    def save_snapshot(self, snapshot: SnapshotRecord) -> None:
        """See ``EventStorage``."""
        key = snapshot.aggregate_type, snapshot.aggregate_id
        with self._guard:
            own = self._snapshots.setdefault(key, {})
            found = own.get(snapshot.version)
            if found is None or found.last_sequence <= snapshot.last_sequence:
                own[snapshot.version] = snapshot

    def snapshot(
        self, aggregate_type: str, aggregate_id: str, version: int | None
    ) -> SnapshotRecord | None:
        """See ``EventStorage``."""
        with self._guard:
            own = self._snapshots.get((aggregate_type, aggregate_id), {})
            if version is not None:
                return own.get(version)
            return max(own.values(), key=_last_sequence, default=None)

    def progress(self, name: str) -> Progress | None:
        """See ``EventStorage``."""
        with self._guard:
            return self._progress.get(name)

    def archive(self, segment: Segment, removed: Sequence[tuple[str, str, int]]) -> None:
        """See ``EventStorage``."""
        with self._guard:
            self._segments[segment.name] = segment
            ends = {(kind, one): up_to for kind, one, up_to in removed}
            for key, up_to in ends.items():
                aggregate = self._aggregates[key]
                aggregate.archived = max(aggregate.archived, up_to)
                del aggregate.events[: bisect_right(aggregate.events, up_to, key=_sequence)]
            gone = {
                event.event_id
                for event in self._events
                if event.sequence <= ends.get((event.aggregate_type, event.aggregate_id), 0)
            }
            self._events = [event for event in self._events if event.event_id not in gone]
            self._by_id = {event.event_id: event for event in self._events}
            for kind, events in self._by_type.items():
                self._by_type[kind] = [event for event in events if event.event_id not in gone]

    def segments(self) -> tuple[Segment, ...]:
        """See ``EventStorage``."""
        with self._guard:
            return tuple(sorted(self._segments.values(), key=attrgetter("first")))

    def counts(self) -> Mapping[str, int]:
        """See ``EventStorage``."""
        with self._guard:
            return {
                "events": len(self._events),
                "aggregates": len(self._aggregates),
                "snapshots": sum(map(len, self._snapshots.values())),
            }

    def close(self) -> None:
        """See ``EventStorage``; the object can go on being used."""


def _page(events: list[Recorded], after: int, limit: int) -> list[Recorded]:
    start = bisect_right(events, after, key=_global_sequence)
    return events[start : start + limit]
