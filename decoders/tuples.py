"""Rows on the wire: a TupleData of pgoutput is MessagePack but for the first byte of each text.

pgoutput writes a text as ``t``, its length in four bytes, its UTF-8; MessagePack as ``0xDB``, the
same length, the same UTF-8 (https://github.com/msgpack/msgpack/blob/master/spec.md, "str 32"). No
text of PostgreSQL holds a NUL, so ``t\\0\\0`` stands where a text of less than 64 KiB begins and
nowhere else. With that replaced, msgspec reads a row in one call. ``n`` (NULL) and ``u`` (unchanged
TOAST) are the numbers 110 and 117 to it.

A row for which that does not add up, because it holds binary or longer values or is damaged, is
read column by column.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from struct import Struct
from typing import Literal, TypeAlias

from msgspec import DecodeError as NotMessagePack
from msgspec.msgpack import Decoder

from bridge.core.events import ABSENT, PartialRow, Texts
from bridge.core.relation import Relation
from decoders.binary.scalars import char

BinaryText: TypeAlias = Callable[[int], Callable[[bytes], str]]
"""Type OID to the function from the binary form of a value to its text."""

COUNT_BYTES = 2
"""Size of the number of columns, with which a TupleData begins."""

_NULL, _UNCHANGED, _PRINTED, _BINARY = b"nutb"
_TEXT, _STR_32 = b"t\0\0", b"\xdb\0\0"
_TEXT_HEADER_BYTES = 5
_CHAR = 18
"""OID of the type ``"char"``. Servers before 15 print a byte beyond ASCII as it is, which is not
UTF-8; it becomes what newer ones print."""

_unpack = Decoder(tuple[str, ...]).decode
_unpack_with_gaps = Decoder(tuple[str | Literal[110, 117], ...]).decode  # _NULL, _UNCHANGED
_length = Struct(">I").unpack_from

# MessagePack has other forms of a small number: one of the bytes 0xCA to 0xD3, then one of ASCII.
# No UTF-8 has these two in a row.
_CLASSES = b"a" * 0x80 + b"." * 0x4A + b"N" * 10 + b"." * 0x2C
_LONGER_NUMBER = b"Na"


class Malformed(Exception):
    """The frame is not what the relation announced. The caller finds out what is wrong with it."""


class TupleReader:
    """Reads the rows of one relation.

    Args:
        relation: whose rows these are.
        binary: asked for a column's type when its first binary value comes.

    Attributes:
        whole: from the bytes behind the number of columns to the row, or None if the row has to be
            read by ``last_by_columns``.
    """

    __slots__ = ("_binary", "_count", "_relation", "whole")

    def __init__(self, relation: Relation, binary: BinaryText) -> None:
        self._relation = relation
        self._binary = cache(lambda column: binary(relation.columns[column].type_oid))
        self._count = len(relation.columns).to_bytes(COUNT_BYTES, "big")
        self.whole = _whole_rows(len(relation.columns))

    def last(self, frame: bytes, at: int) -> Texts:
        """Read the row that ends with the frame, of any kind.

        Args:
            frame: the whole message.
            at: where the number of columns stands.

        Raises:
            Malformed: there is no row of the relation, or it does not end there; also
                ``IndexError``, ``struct.error`` and ``UnicodeDecodeError``.
            DecodeError: a binary value cannot be read.
        """
        self._check_count(frame, at)
        row = self.whole(frame[at + COUNT_BYTES :])
        return self.last_by_columns(frame, at) if row is None else row

    def pair(self, frame: bytes, at: int) -> tuple[Texts, Texts]:
        """Read an old row, and the new one that ends with the frame; see ``last``."""
        self._check_count(frame, at)
        before, new_tuple, after = frame[at + COUNT_BYTES :].partition(b"N" + self._count)
        old, new = self.whole(before), self.whole(after)
        if new_tuple and old is not None and new is not None:
            return old, new
        old, at = self._by_columns(frame, at)
        if frame[at : at + 1] != b"N":
            raise Malformed
        return old, self.last_by_columns(frame, at + 1)

    def last_by_columns(self, frame: bytes, at: int) -> Texts:
        """Do what ``last`` does, value by value."""
        row, end = self._by_columns(frame, at)
        if end != len(frame):
            raise Malformed
        return row

    def _check_count(self, frame: bytes, at: int) -> None:
        if frame[at : at + COUNT_BYTES] != self._count:
            raise Malformed

    def _by_columns(self, frame: bytes, at: int) -> tuple[Texts, int]:
        """Read a row, and return it with where it ends."""
        self._check_count(frame, at)
        at += COUNT_BYTES
        field = self._field
        texts = []
        for number in range(len(self._relation.columns)):
            text, at = field(frame, at, number)
            texts.append(text)
        return PartialRow(texts) if ABSENT in texts else tuple(texts), at

    def _field(self, frame: bytes, at: int, column: int) -> tuple[str | None, int]:
        """Read one column of any kind; returns its text (or None, or ABSENT) and what follows."""
        kind = frame[at]
        if kind == _NULL:
            return None, at + 1
        if kind == _UNCHANGED:
            return ABSENT, at + 1
        start = at + _TEXT_HEADER_BYTES
        end = start + _length(frame, at + 1)[0]
        if end > len(frame):
            raise Malformed
        value = frame[start:end]
        if kind == _PRINTED:
            if len(value) == 1 and self._relation.columns[column].type_oid == _CHAR:
                return char(value), end
            return value.decode(), end
        if kind == _BINARY:
            return self._binary(column)(value), end
        raise Malformed


def _whole_rows(columns: int) -> Callable[[bytes], Texts | None]:
    """Return the function that reads rows by MessagePack, or finds that it cannot."""
    array = b"\xdc" + columns.to_bytes(COUNT_BYTES, "big")  # "array 16"

    def whole(values: bytes) -> Texts | None:
        texts = values.count(_TEXT)
        try:
            if texts == columns:
                return _unpack(array + values.replace(_TEXT, _STR_32))
            if texts:
                row = _unpack_with_gaps(array + values.replace(_TEXT, _STR_32))
                return _with_gaps(row, texts, values)
        except NotMessagePack:
            pass
        return None

    return whole


def _with_gaps(row: tuple[str | int, ...], texts: int, values: bytes) -> Texts | None:
    """Return the row with None and ABSENT where they belong, or None if there is more to it."""
    if not values.isascii() and _LONGER_NUMBER in values.translate(_CLASSES):
        return None
    texts_and_nulls = texts + row.count(_NULL)
    if texts_and_nulls == len(row):
        return tuple([text if type(text) is str else None for text in row])
    if texts_and_nulls + row.count(_UNCHANGED) == len(row):
        return PartialRow(
            [text if type(text) is str else ABSENT if text == _UNCHANGED else None for text in row]
        )
    return None
