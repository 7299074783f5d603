"""Plain data as bytes and back, exactly: the form in which states of processors are stored.

Plain data is None, ``bool``, ``int`` of any size, ``float``, ``str``, ``bytes``, ``Decimal``, and
``tuple``, ``list`` and ``dict`` of plain data. Each comes back as the type that it was, with NaN,
-0.0, the scale of a Decimal and the order of a dict. A value of a subclass comes back as one of
these types: a named tuple is a tuple then.

A state may hold millions of values, and a step of Python for each takes seconds. So the data is
written level by level: the value itself is the first level, and what all containers of a level
hold, one after the other, is the next. A level is a byte for the kind of each of its values, and
then a column for each kind, in the order of the kinds: all its integers, all its texts, the lengths
of all its lists. There is no step for a single value, no recursion, and what looks alike stands
together, which is what compression needs.

In front of the payload stand, little-endian, a byte for the version, a byte that is 1 if the
payload was compressed (zlib), and the CRC-32 of both and of the payload, 4 bytes.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate, chain, compress, pairwise
from typing import Any, Final

from bridge.core.errors import BridgeError, EnvironmentProblem
from bridge.processing.state.columns import (
    CONTAINERS,
    DICT,
    HUGE,
    INTEGER,
    KIND_OF_TYPE,
    LIST,
    TUPLE,
    ColumnReader,
    is_huge,
    write_column,
)
from bridge.processing.state.store import RESTORE_REMEDY

_VERSION: Final = 1
_HEADER: Final = struct.Struct("<BBI")

_COMPRESSED_FROM: Final = 512
"""In bytes. Below, there is nothing to gain."""

_COMPRESSION: Final = 1
"""The fastest level of zlib: the others take much longer to save a few percent."""


def encode(value: Any, name: str, *, compress: bool = True) -> bytes:
    """Return plain data as bytes.

    Args:
        value: the data.
        name: whose state it is, for the error.
        compress: whether to, if it is large enough.

    Raises:
        BridgeError: something in it is not plain data.
    """
    levels: list[bytes] = []
    values = [value]
    while values:
        try:
            kinds = _kinds(values)
        except _NotPlain as error:
            raise BridgeError(
                f"State {name!r} holds a value of type {error}, which cannot be stored.",
                remedy="A state is made of numbers, texts, bytes, tuples, lists and dicts.",
            ) from None
        levels.append(kinds)
        values = _write_columns(values, kinds, levels)
    payload = b"".join(levels)
    compressed = compress and len(payload) >= _COMPRESSED_FROM
    if compressed:
        payload = zlib.compress(payload, _COMPRESSION)
    return _HEADER.pack(_VERSION, compressed, _checksum(compressed, payload)) + payload


def decode(data: bytes, name: str) -> Any:
    """Return what was encoded.

    Args:
        data: what ``encode`` returned.
        name: whose state it is, for the error.

    Raises:
        EnvironmentProblem: the bytes are damaged, or a newer version wrote them.
    """
    if len(data) > _HEADER.size:
        version, compressed, checksum = _HEADER.unpack_from(data)
        payload = data[_HEADER.size :]
        if version == _VERSION and checksum == _checksum(compressed, payload):
            return _read(zlib.decompress(payload) if compressed else payload)
        if version > _VERSION:
            raise EnvironmentProblem(
                f"State {name!r} is damaged, or was written by a newer pgbridge (version "
                f"{version} of its form, known here: {_VERSION}).",
                remedy="Install that version again, or restore the state from a copy.",
            )
    raise EnvironmentProblem(
        f"State {name!r} is damaged: its checksum is wrong.",
        remedy=RESTORE_REMEDY,
    )


def _checksum(compressed: int, payload: bytes) -> int:
    return zlib.crc32(payload, zlib.crc32(bytes((_VERSION, compressed))))


class _NotPlain(Exception):
    """A type that is not plain data, by its name."""


def _kinds(values: list[Any]) -> bytes:
    """Return the kind of each value."""
    types = list(map(type, values))
    kind_of = {each: _kind_of_type(each) for each in set(types)}
    kinds = bytes(map(kind_of.__getitem__, types))
    integers = _of_kind(INTEGER, kinds, values)
    if integers and (is_huge(min(integers)) or is_huge(max(integers))):
        return bytes(
            HUGE if kind == INTEGER and is_huge(value) else kind
            for kind, value in zip(kinds, values, strict=True)
        )
    return kinds


def _kind_of_type(one: type) -> int:
    for base in one.__mro__:
        if base in KIND_OF_TYPE:
            return KIND_OF_TYPE[base]
    raise _NotPlain(one.__name__)


_MASKS: Final = tuple(bytes(byte == kind for byte in range(256)) for kind in range(DICT + 1))


def _of_kind(kind: int, kinds: bytes, values: list[Any]) -> list[Any]:
    return list(compress(values, kinds.translate(_MASKS[kind])))


def _write_columns(values: list[Any], kinds: bytes, out: list[bytes]) -> list[Any]:
    """Append the columns of a level and return the values of the next."""
    below: list[Any] = []
    for kind in sorted(set(kinds)):
        column = _of_kind(kind, kinds, values)
        write_column(kind, column, out)
        if kind == DICT:
            below.extend(chain.from_iterable(chain.from_iterable(map(dict.items, column))))
        elif kind in CONTAINERS:
            below.extend(chain.from_iterable(column))
    return below


def _read(payload: bytes) -> Any:
    """Read the levels from the first to the last, then fill them from the last to the first."""
    reader = ColumnReader(payload)
    levels: list[tuple[bytes, dict[int, Sequence[Any]]]] = []
    count = 1
    while count:
        kinds = reader.take(count)
        columns = {kind: reader.column(kind, kinds.count(kind)) for kind in sorted(set(kinds))}
        levels.append((kinds, columns))
        count = sum(sum(columns[kind]) for kind in CONTAINERS if kind in columns)
    values: list[Any] = []
    for kinds, columns in reversed(levels):
        values = _fill(kinds, columns, values)
    return values[0]


def _fill(kinds: bytes, columns: Mapping[int, Sequence[Any]], below: list[Any]) -> list[Any]:
    """Return the values of a level; its containers hold the values of the level below."""
    end = 0
    of_kind: dict[int, Iterator[Any]] = {}
    for kind, column in columns.items():
        if kind not in CONTAINERS:
            of_kind[kind] = iter(column)
            continue
        ends = list(accumulate(column, initial=end))
        end = ends[-1]
        of_kind[kind] = map(_MAKERS[kind], [below[start:stop] for start, stop in pairwise(ends)])
    return list(map(next, map(of_kind.__getitem__, kinds)))


_MAKERS: Final[dict[int, Callable[[list[Any]], Any]]] = {
    TUPLE: tuple,
    LIST: lambda items: items,
    DICT: lambda items: dict(zip(items[::2], items[1::2], strict=True)),
}
