"""Finds events in a segment; reads and checks as little of the file as that takes."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from operator import attrgetter
from typing import TypeVar

from bridge.eventsourcing.archive.encoding import unpack_block
from bridge.eventsourcing.archive.files import SegmentFiles
from bridge.eventsourcing.archive.frames import (
    FOOTER_BYTES,
    Extent,
    Footer,
    damaged,
    unpack_footer,
    unpack_frame,
)
from bridge.eventsourcing.archive.index import unpack_index
from bridge.eventsourcing.archive.presence import Presence, unpack_presence
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
        self._segment = segment
        self._files = files
        self._index = _unpacked(segment, files, _footer(segment, files).index_at, unpack_index)

    def block(self, number: int) -> list[Recorded]:
        """Return the events of a block."""
        extent = self._index.blocks[number].extent
        return _unpacked(self._segment, self._files, extent, unpack_block)

    def blocks(self, after: int) -> Iterable[int]:
        """Return the numbers of the blocks with events behind this global sequence."""
        blocks = self._index.blocks
        return range(bisect_right(blocks, after, key=_last), len(blocks))

    def blocks_of_type(self, event_type: str, after: int) -> Iterator[int]:
        """Yield the blocks with such events that end behind this global sequence."""
        for number in self._index.types.get(event_type, ()):
            if self._index.blocks[number].last > after:
                yield number

    def blocks_of_aggregate(self, aggregate: tuple[str, str], after: int) -> Iterator[int]:
        """Yield the blocks with events of an aggregate behind this sequence."""
        parts = self._index.aggregates.get(aggregate, ())
        for part in parts[bisect_right(parts, after, key=_last) :]:
            yield part.block


def read_presence(segment: Segment, files: SegmentFiles) -> Presence:
    """Return which events and aggregates a segment may hold.

    Raises:
        EnvironmentProblem: the file is damaged or cannot be read.
    """
    footer = _footer(segment, files)
    return _unpacked(segment, files, footer.presence_at, unpack_presence)


def _footer(segment: Segment, files: SegmentFiles) -> Footer:
    at = max(segment.size - FOOTER_BYTES, 0)
    return unpack_footer(files.read(segment.name, at, FOOTER_BYTES), segment.name, at)


def _unpacked(
    segment: Segment, files: SegmentFiles, extent: Extent, unpack: Callable[[bytes], T]
) -> T:
    name, offset = segment.name, extent.offset
    frame = unpack_frame(files.read(name, offset, extent.size), name, offset)
    try:
        return unpack(frame.content)
    except (ValueError, TypeError, KeyError):  # whole, but not written by us
        raise damaged(name, offset) from None
