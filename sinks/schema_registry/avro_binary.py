"""The binary encoding of Avro, as far as our schemas need it.

https://avro.apache.org/docs/1.12.0/specification/#binary-encoding
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

NULL: Final = b"\0"
"""The branch null of a union in which it stands first."""

SOME: Final = b"\2"
"""What stands before a value of the next branch."""

SOME_TEXT: Final = b"\4"
"""What stands before a value of the branch after that."""

FALSE, TRUE = b"\0", b"\1"
EMPTY_ARRAY: Final = b"\0"

_double = struct.Struct("<d").pack
_float = struct.Struct("<f").pack


def encode_long(number: int) -> bytes:
    """Encode an ``int`` or ``long``: zigzag, then seven bits to a byte, the lowest first."""
    rest = (number << 1) ^ (number >> 63)
    if rest < 0x4000:
        return _LAST[rest]
    encoded = _MORE[rest & 0x3FFF]
    rest >>= 14
    while rest >= 0x4000:
        encoded += _MORE[rest & 0x3FFF]
        rest >>= 14
    return encoded + _LAST[rest]


# Two bytes at a time, out of tables: lengths are found at once, and WAL positions in four steps.
_MORE = [bytes((i & 0x7F | 0x80, i >> 7 | 0x80)) for i in range(0x4000)]
_LAST = [bytes((i,)) if i < 0x80 else bytes((i & 0x7F | 0x80, i >> 7)) for i in range(0x4000)]


def encode_bytes(data: bytes) -> bytes:
    """Encode ``bytes``: the length, then the data."""
    return encode_long(len(data)) + data


def encode_text(text: str) -> bytes:
    """Encode a ``string``."""
    data = text.encode()
    length = len(data)
    return (_LAST[length << 1] if length < 0x2000 else encode_long(length)) + data


def encode_double(number: float) -> bytes:
    """Encode a ``double``."""
    return _double(number)


def encode_float(number: float) -> bytes:
    """Encode a ``float``."""
    return _float(number)


def encode_some_text(text: str) -> bytes:
    """Encode the second branch of a ``["null", "string"]``; columns of text are frequent."""
    data = text.encode()
    length = len(data)
    return SOME + (_LAST[length << 1] if length < 0x2000 else encode_long(length)) + data


def encode_array(items: Sequence[bytes]) -> bytes:
    """Encode an ``array`` of encoded items, in one block."""
    return b"".join((encode_long(len(items)), *items, EMPTY_ARRAY)) if items else EMPTY_ARRAY


def encode_texts(texts: Sequence[str]) -> bytes:
    """Encode an ``array`` of ``string``."""
    return encode_array([encode_text(text) for text in texts])


def encode_optional_text(text: str | None) -> bytes:
    """Encode a ``["null", "string"]``."""
    return NULL if text is None else encode_some_text(text)
