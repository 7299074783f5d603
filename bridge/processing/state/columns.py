"""Many values of one type as bytes and back: what ``bridge.processing.state.codec`` is made of.

A column is written by a few calls of functions in C, whatever its length. Numbers are
little-endian. The number of values is not in it: the reader knows it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from decimal import Decimal
from itertools import accumulate, pairwise
from typing import Any, Final

NONE, BOOL, INTEGER, HUGE, FLOAT, TEXT, BYTES, DECIMAL, TUPLE, LIST, DICT = range(11)
"""The kinds of values. An integer is huge if it needs more than 64 bits."""

CONTAINERS: Final = (TUPLE, LIST, DICT)

KIND_OF_TYPE: Final[dict[type, int]] = {
    type(None): NONE,
    bool: BOOL,
    int: INTEGER,
    float: FLOAT,
    str: TEXT,
    bytes: BYTES,
    Decimal: DECIMAL,
    tuple: TUPLE,
    list: LIST,
    dict: DICT,
}

_FORMS: Final = ((1, "b"), (2, "h"), (4, "i"), (8, "q"))
"""Width in bytes, and the letter of ``struct`` for a signed integer of that width."""


def is_huge(number: int) -> bool:
    """Whether an integer needs more than 64 bits."""
    return not -(1 << 63) <= number < 1 << 63


def write_column(kind: int, values: Sequence[Any], out: list[bytes]) -> None:
    """Append the values, all of this kind, to ``out``.

    Of containers it is only how many values each holds; a key of a dict is one, too.
    """
    if kind in CONTAINERS:
        per_length = 2 if kind == DICT else 1
        _write_integers([per_length * len(value) for value in values], out)
    else:
        _WRITERS[kind](values, out)


def _write_integers(values: Sequence[int], out: list[bytes]) -> None:
    """A byte for the width, then each integer with as many bytes as the largest needs.

    First the lowest byte of all of them, then the next byte of all of them, and so on: the high
    bytes are mostly the same, so they compress to almost nothing.
    """
    limit = max(max(values), ~min(values))
    width, form = next((w, form) for w, form in _FORMS if limit < 1 << 8 * w - 1)
    packed = struct.pack(f"<{len(values)}{form}", *values)
    out.append(bytes((width,)))
    out += [packed[place::width] for place in range(width)]


def _write_texts(values: Sequence[str], out: list[bytes]) -> None:
    """How many different texts there are, these, and for each value which of them it is.

    The names of columns come again in each row; so they are one object after reading, too.
    """
    places = {text: place for place, text in enumerate(dict.fromkeys(values))}
    out.append(struct.pack("<Q", len(places)))
    _write_integers(list(map(len, places)), out)
    joined = "".join(places).encode("utf-8", "surrogatepass")
    out += [struct.pack("<Q", len(joined)), joined]
    _write_integers(list(map(places.__getitem__, values)), out)


def _write_bytes(values: Sequence[bytes], out: list[bytes]) -> None:
    _write_integers(list(map(len, values)), out)
    out += values


_WRITERS: Final[dict[int, Callable[[Sequence[Any], list[bytes]], None]]] = {
    NONE: lambda values, out: None,
    BOOL: lambda values, out: out.append(bytes(values)),
    INTEGER: _write_integers,
    HUGE: lambda values, out: _write_texts(list(map(hex, values)), out),  # digits are limited
    FLOAT: lambda values, out: out.append(struct.pack(f"<{len(values)}d", *values)),
    TEXT: _write_texts,
    BYTES: _write_bytes,
    DECIMAL: lambda values, out: _write_texts(list(map(str, values)), out),
}


class ColumnReader:
    """Reads columns in the order in which they were written."""

    def __init__(self, payload: bytes) -> None:
        self._payload = payload
        self._at = 0
        self._readers: dict[int, Callable[[int], Sequence[Any]]] = {
            NONE: lambda count: [None] * count,
            BOOL: lambda count: list(map(bool, self.take(count))),
            INTEGER: self._integers,
            HUGE: lambda count: [int(digits, 16) for digits in self._texts(count)],
            FLOAT: lambda count: struct.unpack(f"<{count}d", self.take(8 * count)),
            TEXT: self._texts,
            BYTES: self._bytes,
            DECIMAL: lambda count: list(map(Decimal, self._texts(count))),
        }

    def take(self, size: int) -> bytes:
        """Return the next bytes."""
        start, self._at = self._at, self._at + size
        return self._payload[start : self._at]

    def column(self, kind: int, count: int) -> Sequence[Any]:
        """Return so many values; of containers, how many values each holds."""
        return self._integers(count) if kind in CONTAINERS else self._readers[kind](count)

    def _integers(self, count: int) -> Sequence[int]:
        (width,) = self.take(1)
        packed = bytearray(count * width)
        for place in range(width):
            packed[place::width] = self.take(count)
        return struct.unpack(f"<{count}{dict(_FORMS)[width]}", packed)

    def _texts(self, count: int) -> Sequence[str]:
        ends = accumulate(self._integers(self._number()), initial=0)
        joined = self.take(self._number()).decode("utf-8", "surrogatepass")
        texts = [joined[start:end] for start, end in pairwise(ends)]
        return list(map(texts.__getitem__, self._integers(count)))

    def _number(self) -> int:
        return int.from_bytes(self.take(8), "little")

    def _bytes(self, count: int) -> Sequence[bytes]:
        return [self.take(length) for length in self._integers(count)]
