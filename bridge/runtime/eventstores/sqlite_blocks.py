"""Rows of the SQLite file: each holds the events of an append, or a part of them.

To add a row, and to find its place in every index, takes SQLite longer than all else that it does
for an event. So one row holds many.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count, repeat
from operator import add
from typing import Final

import msgspec

from bridge.eventsourcing.encoding import damaged
from bridge.eventsourcing.records import NewEvent, Recorded, recorded

MAX_EVENTS: Final = 128
"""Of a block: it is read as a whole, even for one event."""

MAX_CHARACTERS: Final = 64 * 1024
"""Of the data and metadata in a block, unless a single event has more."""

Row = tuple[int, str, str, int, int, str]
"""Global sequence of the first event, aggregate type and id, sequence of the first event, sequence
up to which the aggregate is archived, and the body."""

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(list[tuple[str, str, int, int, str, str]]).decode


def divide(events: Sequence[NewEvent]) -> Iterator[Sequence[NewEvent]]:
    """Yield the events of a write block by block."""
    start = size = 0
    for end, event in enumerate(events):
        size += len(event.data) + len(event.metadata)
        if end - start == MAX_EVENTS or (size > MAX_CHARACTERS and end > start):
            yield events[start:end]
            start, size = end, len(event.data) + len(event.metadata)
    yield events[start:]


def body_of(events: Sequence[NewEvent]) -> str:
    """Return the events of a block as JSON."""
    return _encode(events).decode()


def events_of(row: Row, *, after: int = 0, after_sequence: int = 0) -> list[Recorded]:
    """Return the events of a block that are not archived.

    Args:
        row: the block.
        after: global sequence, and
        after_sequence: sequence, up to which events are left out.

    Raises:
        EnvironmentProblem: the body is not what ``body_of`` gave.
    """
    first, kind, key, sequence, archived, body = row
    places = zip(count(first), repeat(kind), repeat(key), count(sequence))
    try:
        events = recorded(map(add, places, _decode(body)))
    except ValueError:
        raise damaged(f"The block of {kind} events from global sequence {first} on") from None
    gone = max(archived - sequence, after_sequence - sequence, after - first) + 1
    return events[gone:] if gone > 0 else events
