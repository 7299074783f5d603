"""Whether a segment may hold an event or an aggregate: its hashed ids, some bytes for each.

They are asked before the index, which is much larger. What is stored is a sorted list of unsigned
big-endian numbers of 4 bytes, the beginnings of BLAKE2b digests: one for each ``event_id``, and one
for type and id of each aggregate, joined by NUL.
"""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_left
from collections.abc import Iterable
from hashlib import blake2b
from typing import Final

from bridge.eventsourcing.records import Recorded

_UNSIGNED: Final = "I"
_BYTES: Final = 4


class Presence:
    """The hashed ids of one segment.

    Args:
        hashes: of its events and aggregates, sorted.
    """

    def __init__(self, hashes: Iterable[int]) -> None:
        self._hashes = array(_UNSIGNED, hashes)

    def of_event(self, event_id: str) -> bool:
        """Tell whether the event may be there; a No is certain."""
        return self._has(_hash(event_id))

    def of_aggregate(self, aggregate: tuple[str, str]) -> bool:
        """Tell whether events of this type and id may be there; a No is certain."""
        return self._has(_hash("\0".join(aggregate)))

    def _has(self, number: int) -> bool:
        at = bisect_left(self._hashes, number)
        return at < len(self._hashes) and self._hashes[at] == number

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Presence) and self._hashes == other._hashes

    __hash__ = None  # type: ignore[assignment]

    def packed(self) -> bytes:
        """Return the bytes that ``unpack_presence`` takes."""
        return _swapped(array(_UNSIGNED, self._hashes)).tobytes()


def presence_of(events: Iterable[Recorded]) -> Presence:
    """Return the hashed ids of these events and their aggregates."""
    texts = set()
    for event in events:
        texts.add(event.event_id)
        texts.add(f"{event.aggregate_type}\0{event.aggregate_id}")
    return Presence(sorted(set(map(_hash, texts))))


def unpack_presence(content: bytes) -> Presence:
    """Return what was packed.

    Raises:
        ValueError: these are no hashes.
    """
    return Presence(_swapped(array(_UNSIGNED, content)))


def _hash(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=_BYTES).digest(), "big")


def _swapped(numbers: array[int]) -> array[int]:
    if sys.byteorder == "little":
        numbers.byteswap()
    return numbers
