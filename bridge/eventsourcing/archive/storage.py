"""A storage of which a part has moved into segments, and which is read as if nothing had."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from heapq import heapify, heappop, heapreplace
from itertools import islice
from typing import Final, TypeAlias

from bridge.core.errors import EnvironmentProblem
from bridge.eventsourcing.appending import already_stored
from bridge.eventsourcing.archive.archiver import Archiver
from bridge.eventsourcing.archive.files import SegmentFiles
from bridge.eventsourcing.archive.presence import Presence
from bridge.eventsourcing.archive.reader import SegmentReader, read_presence
from bridge.eventsourcing.errors import InvalidInput
from bridge.eventsourcing.records import (
    AggregateHead,
    Progress,
    Recorded,
    Segment,
    SnapshotRecord,
    Write,
)
from bridge.eventsourcing.storage import EventStorage

_PRESENCES_IN_MEMORY: Final = 1024
"""About 100 KB each."""

_INDEXES_IN_MEMORY: Final = 64
"""Some MiB of the largest ones."""

_BLOCKS_IN_MEMORY: Final = 32
"""About half a MiB each. A follower reads a block in several pages."""

_Source: TypeAlias = tuple[int, Iterable[Recorded]]


class ArchivedStorage:
    """An ``EventStorage`` over another one and over the segments that are registered there.

    Events that are moved while somebody reads are seen once: what is live is read first, so that an
    event that is not there any more is in a segment that is registered.

    Args:
        live: the storage with the events that have not moved.
        files: where the segments are; None if nobody said so, which is an error as soon as one
            is needed.

    Attributes:
        live: the same.
        files: the same.
    """

    def __init__(self, live: EventStorage, files: SegmentFiles | None) -> None:
        self.live = live
        self.files = files
        self._presence = lru_cache(_PRESENCES_IN_MEMORY)(self._read_presence)
        self._reader = lru_cache(_INDEXES_IN_MEMORY)(self._open)
        self._block = lru_cache(_BLOCKS_IN_MEMORY)(self._load)

    def archiver(self) -> Archiver:
        """Return what moves old events.

        Raises:
            InvalidInput: nothing says where to.
        """
        if self.files is None:
            raise InvalidInput(
                "Nothing says where the events of this storage are archived.",
                remedy="Set archive.dir of the store.",
            )
        return Archiver(self.live, self.files)

    @property
    def identity(self) -> str:
        """See ``EventStorage``."""
        return self.live.identity

    def append(self, writes: Sequence[Write], progress: Progress | None = None) -> list[Recorded]:
        """See ``EventStorage``; an event that was archived is known by its aggregate too.

        With a progress nobody looks there: what it covers is not appended again.
        """
        segments = () if progress or self.files is None else self.live.segments()
        if not segments:
            return self.live.append(writes, progress)
        archived = [self._archived_write(write, segments) for write in writes]
        if not any(archived):
            return self.live.append(writes)
        others = [write for write, found in zip(writes, archived, strict=True) if found is None]
        stored = iter(self.live.append(others) if others else ())
        return [
            event
            for write, found in zip(writes, archived, strict=True)
            for event in (islice(stored, len(write.events)) if found is None else found)
        ]

    def read_aggregate(
        self, aggregate_type: str, aggregate_id: str, after: int, limit: int
    ) -> list[Recorded]:
        """See ``EventStorage``."""
        live = self.live.read_aggregate(aggregate_type, aggregate_id, after, limit)
        if live and live[0].sequence == after + 1:
            return live
        head = self.live.head(aggregate_type, aggregate_id)
        if head is None or head.archived <= after:
            return live
        key = aggregate_type, aggregate_id
        events: list[Recorded] = []
        for event in _in_order(
            (segment.first, self._of_aggregate(segment, key, after))
            for segment in self.live.segments()
        ):
            events.append(event)
            if len(events) == limit or event.sequence == head.archived:
                break  # without a look at the other segments
        events += (event for event in live if event.sequence > head.archived)
        return events[:limit]

    def read_type(self, event_type: str, after: int, limit: int) -> list[Recorded]:
        """See ``EventStorage``."""
        live = self.live.read_type(event_type, after, limit)
        archived = (
            (segment.first, self._of_type(segment, event_type, after))
            for segment in self.live.segments()
            if segment.last > after
        )
        return list(islice(_in_order([(0, live), *archived]), limit))

    def read_all(self, after: int, limit: int) -> list[Recorded]:
        """See ``EventStorage``."""
        live = self.live.read_all(after, limit)
        archived = (
            (segment.first, self._all(segment, after))
            for segment in self.live.segments()
            if segment.last > after
        )
        return list(islice(_in_order([(0, live), *archived]), limit))

    def head(self, aggregate_type: str, aggregate_id: str) -> AggregateHead | None:
        """See ``EventStorage``."""
        return self.live.head(aggregate_type, aggregate_id)

    def types_of(self, aggregate_id: str) -> tuple[str, ...]:
        """See ``EventStorage``."""
        return self.live.types_of(aggregate_id)

    def aggregates(self, after: tuple[str, str] | None, limit: int) -> list[AggregateHead]:
        """See ``EventStorage``."""
        return self.live.aggregates(after, limit)

    def last(self) -> int:
        """See ``EventStorage``."""
        return self.live.last()

    def save_snapshot(self, snapshot: SnapshotRecord) -> None:
        """See ``EventStorage``."""
        self.live.save_snapshot(snapshot)

    def snapshot(
        self, aggregate_type: str, aggregate_id: str, version: int | None
    ) -> SnapshotRecord | None:
        """See ``EventStorage``."""
        return self.live.snapshot(aggregate_type, aggregate_id, version)

    def progress(self, name: str) -> Progress | None:
        """See ``EventStorage``."""
        return self.live.progress(name)

    def archive(self, segment: Segment, removed: Sequence[tuple[str, str, int]]) -> None:
        """See ``EventStorage``."""
        self.live.archive(segment, removed)

    def segments(self) -> tuple[Segment, ...]:
        """See ``EventStorage``."""
        return self.live.segments()

    def counts(self) -> Mapping[str, int]:
        """See ``EventStorage``."""
        return self.live.counts()

    def close(self) -> None:
        """See ``EventStorage``."""
        self._presence.cache_clear()
        self._reader.cache_clear()
        self._block.cache_clear()
        self.live.close()

    def _read_presence(self, segment: Segment) -> Presence:
        return read_presence(segment, self._files_of(segment))

    def _open(self, segment: Segment) -> SegmentReader:
        return SegmentReader(segment, self._files_of(segment))

    def _files_of(self, segment: Segment) -> SegmentFiles:
        if self.files is None:
            raise EnvironmentProblem(
                f"Events of the store are in the archived segment {segment.name}, and nothing says "
                "where that is.",
                remedy="Set archive.dir of the store to the directory with its segments.",
            )
        return self.files

    def _load(self, segment: Segment, number: int) -> list[Recorded]:
        return self._reader(segment).block(number)

    def _all(self, segment: Segment, after: int) -> Iterator[Recorded]:
        for number in self._reader(segment).blocks(after):
            for event in self._block(segment, number):
                if event.global_sequence > after:
                    yield event

    def _of_type(self, segment: Segment, event_type: str, after: int) -> Iterator[Recorded]:
        for number in self._reader(segment).blocks_of_type(event_type, after):
            for event in self._block(segment, number):
                if event.event_type == event_type and event.global_sequence > after:
                    yield event

    def _of_aggregate(
        self, segment: Segment, key: tuple[str, str], after: int
    ) -> Iterator[Recorded]:
        if not self._presence(segment).of_aggregate(key):
            return
        for number in self._reader(segment).blocks_of_aggregate(key, after):
            for event in self._block(segment, number):
                if (event.aggregate_type, event.aggregate_id) == key and event.sequence > after:
                    yield event

    def _archived_write(self, write: Write, segments: Iterable[Segment]) -> list[Recorded] | None:
        """Return the events of a write that was stored and has moved; None for any other one."""
        key = write.aggregate_type, write.aggregate_id
        head = self.live.head(*key)
        if head is None or not head.archived:
            return None
        ids = {event.event_id for event in write.events}
        found = {
            event.event_id: event
            for segment in segments
            if any(map(self._presence(segment).of_event, ids))
            for event in self._of_aggregate(segment, key, 0)
            if event.event_id in ids
        }
        return already_stored(write, found)


def _in_order(sources: Iterable[_Source]) -> Iterator[Recorded]:
    """Merge events by their global sequence, each once; a source is only read when it is its turn.

    Args:
        sources: with a number that is not above the global sequence of any of its events.
    """
    heap: list[tuple[int, int, Recorded | None, Iterator[Recorded]]] = [
        (first, number, None, iter(events)) for number, (first, events) in enumerate(sources)
    ]
    heapify(heap)
    last = 0
    while heap:
        _, number, event, rest = heap[0]
        if event is not None and event.global_sequence > last:
            last = event.global_sequence
            yield event
        following = next(rest, None)
        if following is None:
            heappop(heap)
        else:
            heapreplace(heap, (following.global_sequence, number, following, rest))
