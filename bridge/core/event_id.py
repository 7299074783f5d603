"""The identifier of an event, made of its place in the WAL.

It is a UUID of version 8 (RFC 9562 section 5.8): the commit LSN (64 bits), a hash of the source
(26 bits) and the ordinal in the transaction (32 bits).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence

from bridge.core.lsn import Lsn

_EVENT_ID = re.compile(
    "([0-9a-f]{8})-([0-9a-f]{4})-8([0-9a-f]{3})-([89ab][0-9a-f]{3})-[0-9a-f]{4}([0-9a-f]{8})"
)
_TAG_BITS = 26

# Formatting a number in hexadecimal costs as much as the rest of an identifier, so the pieces are
# kept.


class _Starts(dict[int, str]):
    """How an ``event_id`` begins, by all but the last 16 bits of the LSN; a few are kept."""

    def __missing__(self, lsn_start: int) -> str:
        if len(self) >= _KEPT_STARTS:
            self.clear()
        self[lsn_start] = start = f"{lsn_start >> 16:08x}-{lsn_start & 0xFFFF:04x}-8"
        return start


class _Ends(dict[int, str]):
    """The last eight digits of an ``event_id`` by ordinal; those of small ordinals are kept."""

    def __missing__(self, ordinal: int) -> str:
        digits = f"{ordinal & 0xFFFFFFFF:08x}"
        if ordinal < _KEPT_ORDINALS:
            self[ordinal] = digits
        return digits


_KEPT_STARTS = 64
_KEPT_ORDINALS = 0x1000

_STARTS = _Starts()
_DIGITS = tuple(f"{number:03x}" for number in range(0x1000))

ID_ENDS: Mapping[int, str] = _Ends()
"""How an ``event_id`` ends, for each ordinal."""


def id_groups(system_identifier: str, database: str) -> tuple[str, ...]:
    """Return how an identifier goes on after the LSN, for each last digit of the LSN."""
    digest = hashlib.sha256(f"{system_identifier}/{database}".encode()).digest()
    tag = int.from_bytes(digest[:4], "big") >> (32 - _TAG_BITS)
    return tuple(
        f"-{0x8000 | digit << 10 | tag >> 16:04x}-{tag & 0xFFFF:04x}" for digit in range(16)
    )


def id_prefix(commit_lsn: Lsn, groups: Sequence[str]) -> str:
    """Return the first 28 characters of the identifiers of a transaction's events.

    Args:
        commit_lsn: of the transaction.
        groups: the ``id_groups`` of its source.
    """
    digits = _DIGITS[commit_lsn >> 4 & 0xFFF]
    return f"{_STARTS[commit_lsn >> 16]}{digits}{groups[commit_lsn & 0xF]}"


def parse_event_id(event_id: str) -> tuple[Lsn, int]:
    """Return the commit LSN and the last 32 bits, which are the ordinal.

    Raises:
        ValueError: the text is not an identifier of an event.
    """
    found = _EVENT_ID.fullmatch(event_id)
    if found is None:
        raise ValueError(f"not an event_id: {event_id!r}")
    high, middle, low, group, ordinal = found.groups()
    digit = int(group, 16) >> 10 & 0xF
    return int(f"{high}{middle}{low}{digit:x}", 16), int(ordinal, 16)
