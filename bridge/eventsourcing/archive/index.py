"""The index of a segment: which aggregates and which types of events are in which blocks.

It is stored as a JSON object::

    blocks      offset, size, first and last global sequence of each block
    aggregates  type, id, first and last sequence, and numbers of the blocks, of each aggregate
    types       event type and numbers of the blocks, of each event type
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from bridge.eventsourcing.archive.frames import Extent
from bridge.eventsourcing.records import Recorded


@dataclass(frozen=True, slots=True)
class Block:
    """Some events that follow each other.

    Attributes:
        extent: where they are in the file.
        first: global sequence of the first of them.
        last: global sequence of the last.
    """

    extent: Extent
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Part:
    """The events of one aggregate in a segment.

    Attributes:
        first: sequence of the first of them.
        last: sequence of the last.
        blocks: numbers of the blocks that hold them.
    """

    first: int
    last: int
    blocks: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Index:
    """Where what is.

    Attributes:
        blocks: all of them, in their order.
        aggregates: type and id of an aggregate to its part.
        types: type of event to the numbers of the blocks that have one.
    """

    blocks: tuple[Block, ...]
    aggregates: dict[tuple[str, str], Part]
    types: dict[str, tuple[int, ...]]


def make_index(extents: Iterable[Extent], contents: Sequence[Sequence[Recorded]]) -> Index:
    """Return the index over blocks in these places with these events."""
    ends: dict[tuple[str, str], list[int]] = {}
    places: dict[tuple[str, str], dict[int, None]] = {}
    types: dict[str, dict[int, None]] = {}
    for number, events in enumerate(contents):
        for event in events:
            key = event.aggregate_type, event.aggregate_id
            ends.setdefault(key, [event.sequence, 0])[1] = event.sequence
            places.setdefault(key, {})[number] = None
            types.setdefault(event.event_type, {})[number] = None
    return Index(
        tuple(
            Block(extent, events[0].global_sequence, events[-1].global_sequence)
            for extent, events in zip(extents, contents, strict=True)
        ),
        {key: Part(first, last, tuple(places[key])) for key, (first, last) in ends.items()},
        {name: tuple(numbers) for name, numbers in types.items()},
    )


def pack_index(index: Index) -> bytes:
    """Return the index as it is stored."""
    document = {
        "blocks": [[*block.extent, block.first, block.last] for block in index.blocks],
        "aggregates": [
            [*key, part.first, part.last, part.blocks] for key, part in index.aggregates.items()
        ],
        "types": list(index.types.items()),
    }
    return json.dumps(document, separators=(",", ":")).encode()


def unpack_index(content: bytes) -> Index:
    """Return the index that was stored.

    Raises:
        ValueError, TypeError, KeyError: it is no index.
    """
    document: dict[str, Any] = json.loads(content)
    return Index(
        tuple(
            Block(Extent(offset, size), first, last)
            for offset, size, first, last in document["blocks"]
        ),
        {
            (aggregate_type, aggregate_id): Part(first, last, tuple(blocks))
            for aggregate_type, aggregate_id, first, last, blocks in document["aggregates"]
        },
        {event_type: tuple(blocks) for event_type, blocks in document["types"]},
    )
