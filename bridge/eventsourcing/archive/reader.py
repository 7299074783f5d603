"""Finds events in a segment; reads and checks as little of the file as that takes."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from operator import attrgetter
from typing import TypeVar

from bridge.eventsourcing.archive.encoding import hash_of, unpack_block, unpack_ids
from bridge.eventsourcing.archive.files import SegmentFiles
from bridge.eventsourcing.archive.frames import (
    FOOTER_BYTES,
    Extent,
    damaged,
    unpack_footer,
    unpack_frame,
)
from bridge.eventsourcing.archive.index import unpack_index
from bridge.eventsourcing.records import Recorded, Segment

T = TypeVar("T")

_last = attrgetter("last")


class SegmentReader:
    """A segment whose index is in memory. Any thread may use it.

    Args:
        segment: which one.
        files: where it is.

    Raises:
        EnvironmentProblem: this and every method, if the file is damaged or cannot be read.
    """

    def __init__(self, segment: Segment, files: SegmentFiles) -> None:
        self._name = segment.name
        self._files = files
        at = max(segment.size - FOOTER_BYTES, 0)
        data = files.read(segment.name, at, FOOTER_BYTES)
        self._footer = unpack_footer(data, segment.name, at)
        self._index = self._unpacked(self._footer.index_at, unpack_index)
        self._ids: array[int] | None = None

    def block(self, number: int) -> list[Recorded]:
        """Return the events of a block."""
        return self._unpacked(self._index.blocks[number].extent, unpack_block)

    def blocks(self, after: int) -> Iterable[int]:
        """Return the numbers of the blocks with events behind this global sequence."""
        blocks = self._index.blocks
        return range(bisect_right(blocks, after, key=_last), len(blocks))

    def blocks_of_type(self, event_type: str, after: int) -> Iterator[int]:
        """Yield the blocks with such events that end behind this global sequence."""
        for number in self._index.types.get(event_type, ()):
            if self._index.blocks[number].last > after:
                yield number

    def blocks_of_aggregate(self, aggregate: tuple[str, str], after: int) -> tuple[int, ...]:
        """Return the blocks with events of an aggregate, if there are some behind ``after``."""
        part = self._index.aggregates.get(aggregate)
        return () if part is None or part.last <= after else part.blocks

    def may_have(self, event_id: str) -> bool:
        """Tell whether an event may be in the segment; a No is certain."""
        if self._ids is None:
            self._ids = self._unpacked(self._footer.ids_at, unpack_ids)
        number = hash_of(event_id)
        at = bisect_left(self._ids, number)
        return at < len(self._ids) and self._ids[at] == number

    def _unpacked(self, extent: Extent, unpack: Callable[[bytes], T]) -> T:
        frame = unpack_frame(
            self._files.read(self._name, extent.offset, extent.size), self._name, extent.offset
        )
        try:
            return unpack(frame.content)
        except (ValueError, TypeError, KeyError):  # whole, but not written by us
            raise damaged(self._name, extent.offset) from None
