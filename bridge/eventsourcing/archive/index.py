"""The index of a segment: which aggregates and which types of events are in which blocks.

It is stored as a JSON object::

    blocks      offset, size, first and last global sequence of each block
    aggregates  type, id, and number of the block and last sequence there, for each of its blocks
    types       event type and numbers of the blocks, of each event type
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

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


class Part(NamedTuple):
    """The events of one aggregate in one block.

    Attributes:
        block: its number.
        last: sequence of the last of them.
    """

    block: int
    last: int


@dataclass(frozen=True, slots=True)
class Index:
    """Where what is.

    Attributes:
        blocks: all of them, in their order.
        aggregates: type and id of an aggregate to its parts, in their order.
        types: type of event to the numbers of the blocks that have one.
    """

    blocks: tuple[Block, ...]
    aggregates: dict[tuple[str, str], tuple[Part, ...]]
    types: dict[str, tuple[int, ...]]


def make_index(extents: Iterable[Extent], contents: Sequence[Sequence[Recorded]]) -> Index:
    """Return the index over blocks in these places with these events."""
    ends: dict[tuple[str, str], dict[int, int]] = {}
    types: dict[str, dict[int, None]] = {}
    for number, events in enumerate(contents):
        for event in events:
            key = event.aggregate_type, event.aggregate_id
            ends.setdefault(key, {})[number] = event.sequence
            types.setdefault(event.event_type, {})[number] = None
    return Index(
        tuple(
            Block(extent, events[0].global_sequence, events[-1].global_sequence)
            for extent, events in zip(extents, contents, strict=True)
        ),
        {key: tuple(map(Part._make, parts.items())) for key, parts in ends.items()},
        {name: tuple(numbers) for name, numbers in types.items()},
    )


def pack_index(index: Index) -> bytes:
    """Return the index as it is stored."""
    document = {
        "blocks": [[*block.extent, block.first, block.last] for block in index.blocks],
        "aggregates": [[*key, parts] for key, parts in index.aggregates.items()],
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
            (aggregate_type, aggregate_id): tuple(map(Part._make, parts))
            for aggregate_type, aggregate_id, parts in document["aggregates"]
        },
        {event_type: tuple(blocks) for event_type, blocks in document["types"]},
    )
