"""Which partition a key belongs to: the same in every process and for every form of a key."""

from __future__ import annotations

from decimal import Decimal
from math import isnan
from typing import Final
from zlib import crc32

from bridge.processing.events import Key

PARTITIONS: Final = 64
"""A power of two. More would be smaller, and more of them would be touched by the same events."""

_SPREAD: Final = 0x9E37_79B9_7F4A_7C15
_MASK: Final = 0xFFFF_FFFF_FFFF_FFFF


def partition_of(key: Key) -> int:
    """Return the number of the partition, from 0.

    Keys that are equal, such as 1, 1.0 and ``Decimal(1)``, and all NaN have the same. What is not
    plain data is told apart by how it is written.
    """
    return ((_number(key) * _SPREAD & _MASK) >> 32) % PARTITIONS


def _number(part: object) -> int:
    """Return a number that equal keys share. Python's own ``hash`` of a text is salted."""
    if isinstance(part, tuple):
        number = len(part)
        for each in part:
            number = (number * 1_000_003 ^ _number(each)) & _MASK
        return number
    if isinstance(part, str):
        return crc32(part.encode("utf-8", "surrogatepass"))
    if isinstance(part, float):
        return 0 if isnan(part) else hash(part)
    if isinstance(part, Decimal):
        return 0 if part.is_nan() else hash(part)
    if isinstance(part, int):
        return hash(part)
    if isinstance(part, bytes):
        return crc32(part)
    return crc32(repr(part).encode("utf-8", "surrogatepass"))
