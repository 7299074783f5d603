"""From events to a segment: its blocks, and how it is put together.

A block is a JSON list of events, each a list of the members of ``Recorded`` in their order.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from typing import Final

from bridge.eventsourcing.archive.frames import (
    MARK,
    Extent,
    Footer,
    pack_footer,
    pack_frame,
)
from bridge.eventsourcing.archive.index import make_index, pack_index
from bridge.eventsourcing.archive.presence import presence_of
from bridge.eventsourcing.records import Recorded, Segment

BLOCK_BYTES: Final = 128 * 1024
"""Text in one block: it compresses well together, and one event costs reading no more than it."""

_EVENT_BYTES: Final = 128
"""About what an event needs beside data and metadata."""


def encode_segment(
    identity: str, events: Sequence[Recorded], block_bytes: int = BLOCK_BYTES
) -> tuple[Segment, bytes]:
    """Return a segment and the content of its file; the same events give the same bytes.

    Args:
        identity: of the storage that the events come from.
        events: at least one, in global order; those of each aggregate without a gap.
        block_bytes: size of a block before it is compressed.
    """
    contents = list(_blocks(events, block_bytes))
    frames = [pack_frame(_pack_block(content), len(content)) for content in contents]
    extents: list[Extent] = []
    offset = len(MARK)
    for frame in frames:
        extents.append(Extent(offset, len(frame)))
        offset += len(frame)
    presence = pack_frame(presence_of(events).packed())
    index = pack_frame(pack_index(make_index(extents, contents)))
    presence_at = Extent(offset, len(presence))
    index_at = Extent(offset + len(presence), len(index))
    footer = Footer(presence_at, index_at, len(events))
    data = b"".join((MARK, *frames, presence, index, pack_footer(footer)))
    digest = sha256(data).hexdigest()
    first, last = events[0].global_sequence, events[-1].global_sequence
    name = f"{identity[:8]}-{first:012d}-{last:012d}-{digest[:8]}.events"
    return Segment(name, first, last, len(events), len(data), digest), data


def _blocks(events: Iterable[Recorded], block_bytes: int) -> Iterator[list[Recorded]]:
    block: list[Recorded] = []
    size = 0
    for event in events:
        block.append(event)
        size += len(event.data) + len(event.metadata) + _EVENT_BYTES
        if size >= block_bytes:
            yield block
            block, size = [], 0
    if block:
        yield block


def _pack_block(events: Sequence[Recorded]) -> bytes:
    return json.dumps(events, separators=(",", ":")).encode()


def unpack_block(content: bytes) -> list[Recorded]:
    """Return the events of a block.

    Raises:
        ValueError, TypeError: it is no block.
    """
    return [Recorded(*event) for event in json.loads(content)]
