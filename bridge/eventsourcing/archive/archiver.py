"""Moves old events into segments.

An event may move when a snapshot contains it and it is older than the retention. It moves in these
steps, of which every one leaves a store that reads the same:

1. the segment is written to the disk under its final name;
2. it is read back, and has to hold the very events;
3. the storage registers it and removes the events.

A process that ends before the third leaves a file that nobody knows of. The next run writes a
segment of its own, over that file if it holds the same events.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from bridge.core.errors import EnvironmentProblem
from bridge.eventsourcing.archive.encoding import encode_segment
from bridge.eventsourcing.archive.files import SegmentFiles
from bridge.eventsourcing.archive.verification import events_in
from bridge.eventsourcing.records import Recorded, Segment
from bridge.eventsourcing.storage import EventStorage

SEGMENT_EVENTS: Final = 20_000
"""Removing so many from a SQLite file takes about a second, in which nobody else can append."""

SEGMENT_BYTES: Final = 16 * 1024 * 1024
"""Data of one segment: it is in memory as a whole while it is made."""

_PAGE: Final = 1000
_AGGREGATES_IN_MEMORY: Final = 20_000


@dataclass(slots=True)
class _Border:
    """Between which sequences an aggregate's next event may move."""

    moved: int
    snapshot: int


class Archiver:
    """Moves events of one storage.

    Args:
        storage: with the events; not the one that also reads the segments.
        files: where segments go.
        segment_events: at most so many in one segment.
        segment_bytes: about so much data in one segment.
    """

    def __init__(
        self,
        storage: EventStorage,
        files: SegmentFiles,
        *,
        segment_events: int = SEGMENT_EVENTS,
        segment_bytes: int = SEGMENT_BYTES,
    ) -> None:
        self._storage = storage
        self._files = files
        self._segment_events = segment_events
        self._segment_bytes = segment_bytes
        self._borders: dict[tuple[str, str], _Border] = {}
        self._leaving: dict[tuple[str, str], int] = {}
        self._left_behind: dict[tuple[str, str], int] = {}

    def run(
        self, *, before: int, now: int, advance: Callable[[int], None] = lambda _: None
    ) -> list[Segment]:
        """Move every event that may go.

        Args:
            before: events from this time on stay, in microseconds since the Unix epoch.
            now: the time, likewise.
            advance: told how many more events were looked at.

        Returns:
            the segments that were made.

        Raises:
            EnvironmentProblem: the disk refuses, or somebody else archives this storage; segments
                that were finished before stay as they are, and nothing is lost.
            Transient: the storage is away.
        """
        with self._files.exclusive(self._storage.identity):
            made = [self._move(events) for events in self._portions(before, now, advance)]
            if self._left_behind:  # registered once, but the storage did not come to the end
                known = self._storage.segments()[-1]
                self._storage.archive(known, [(*key, to) for key, to in self._left_behind.items()])
        return made

    def _portions(
        self, before: int, now: int, advance: Callable[[int], None]
    ) -> Iterator[list[Recorded]]:
        """Yield the events of one segment after the other; the caller moves them meanwhile."""
        self._borders.clear()
        self._leaving.clear()
        self._left_behind.clear()
        chosen: list[Recorded] = []
        size = 0
        for event in self._events(advance):
            if before <= event.timestamp <= now:
                break  # the store is in the order of time, but for clocks that were wrong
            if event.timestamp > now or not self._may_go(event):
                continue
            self._leaving[event.aggregate_type, event.aggregate_id] = event.sequence
            chosen.append(event)
            size += len(event.data) + len(event.metadata)
            if len(chosen) >= self._segment_events or size >= self._segment_bytes:
                yield chosen
                chosen, size = [], 0
                self._leaving.clear()
        if chosen:
            yield chosen

    def _events(self, advance: Callable[[int], None]) -> Iterator[Recorded]:
        after = 0
        while page := self._storage.read_all(after, _PAGE):
            yield from page
            advance(len(page))
            after = page[-1].global_sequence

    def _may_go(self, event: Recorded) -> bool:
        """Tell whether it is the next one of its aggregate to go, and a snapshot contains it.

        The events of an aggregate go without a gap: those up to the last one are removed.
        """
        key = event.aggregate_type, event.aggregate_id
        border = self._borders.get(key) or self._look_up(key)
        if event.sequence <= border.moved:
            self._left_behind[key] = border.moved
            return False
        if event.sequence > border.snapshot or event.sequence > border.moved + 1:
            return False
        border.moved = event.sequence
        return True

    def _look_up(self, key: tuple[str, str]) -> _Border:
        head = self._storage.head(*key)
        snapshot = self._storage.snapshot(*key, None)
        moved = max(head.archived if head else 0, self._leaving.get(key, 0))
        if len(self._borders) >= _AGGREGATES_IN_MEMORY:
            self._borders.clear()
        self._borders[key] = border = _Border(moved, snapshot.last_sequence if snapshot else 0)
        return border

    def _move(self, events: list[Recorded]) -> Segment:
        segment, data = encode_segment(self._storage.identity, events)
        self._files.write(segment.name, data)
        found = self._files.read(segment.name, 0, segment.size + 1)
        if found != data or events_in(segment.name, found) != events:
            raise EnvironmentProblem(
                f"The archived segment {segment.name} does not hold what was just written to it.",
                remedy="Check the disk. The events are still in the store.",
            )
        self._storage.archive(segment, [(*key, to) for key, to in self._leaving.items()])
        return segment
