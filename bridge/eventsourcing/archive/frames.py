"""The outer form of a segment file: frames with a checksum each, between a mark and a footer.

::

    file    8 bytes  mark
            frames   blocks of events, then their presence, then the index
            36 bytes footer

    frame   4 bytes  CRC-32 of the rest of the frame
            4        length of the content as it is stored, compressed by zlib
            4        length of the content
            4        number of events in it; 0 for presence and index
                     the compressed content

    footer  4 bytes  CRC-32 of the rest of the footer
            4        length of the frame with the presence
            8        where it begins, in bytes
            4        length of the frame with the index
            8        where it begins
            8        number of events in the file

Numbers are big-endian and unsigned. Every byte is covered by a checksum or has one possible value.
"""

from __future__ import annotations

import zlib
from struct import Struct
from typing import Final, NamedTuple

from bridge.core.errors import EnvironmentProblem

MARK: Final = b"pgbevts1"
"""What a segment begins with; the digit is the version of the format."""

_crc: Final = Struct(">I")
_frame: Final = Struct(">III")
_footer: Final = Struct(">IQIQQ")
HEAD_BYTES: Final = _crc.size + _frame.size
FOOTER_BYTES: Final = _crc.size + _footer.size


class Extent(NamedTuple):
    """Where a frame is.

    Attributes:
        offset: of its first byte in the file.
        size: in bytes, with its head.
    """

    offset: int
    size: int


class Frame(NamedTuple):
    """A frame that was read.

    Attributes:
        content: decompressed.
        events: how many are in it.
        size: of the frame in the file, in bytes.
    """

    content: bytes
    events: int
    size: int


class Footer(NamedTuple):
    """The end of a segment: where to begin reading it."""

    presence_at: Extent
    index_at: Extent
    events: int


def pack_frame(content: bytes, events: int = 0) -> bytes:
    """Return the frame of a content."""
    stored = zlib.compress(content)
    checked = _frame.pack(len(stored), len(content), events) + stored
    return _crc.pack(zlib.crc32(checked)) + checked


def unpack_frame(data: bytes | memoryview, name: str, offset: int) -> Frame:
    """Return the frame that ``data`` begins with.

    Args:
        data: bytes of the file from ``offset`` on.
        name: of the file, for the error.
        offset: of the frame in the file.

    Raises:
        EnvironmentProblem: it is not the frame that was written.
    """
    if len(data) >= HEAD_BYTES:
        (crc,) = _crc.unpack_from(data)
        stored, plain, events = _frame.unpack_from(data, _crc.size)
        end = HEAD_BYTES + stored
        if end <= len(data) and zlib.crc32(memoryview(data)[_crc.size : end]) == crc:
            content = _decompressed(data[HEAD_BYTES:end], plain)
            if content is not None:
                return Frame(content, events, end)
    raise damaged(name, offset)


def _decompressed(stored: bytes | memoryview, plain: int) -> bytes | None:
    decompressor = zlib.decompressobj()
    try:
        content = decompressor.decompress(stored, plain + 1)
    except zlib.error:
        return None
    return content if decompressor.eof and len(content) == plain else None


def pack_footer(footer: Footer) -> bytes:
    """Return the bytes of a footer."""
    (presence_at, presence_size), (index_at, index_size), events = footer
    checked = _footer.pack(presence_size, presence_at, index_size, index_at, events)
    return _crc.pack(zlib.crc32(checked)) + checked


def unpack_footer(data: bytes, name: str, offset: int) -> Footer:
    """Return the footer.

    Args:
        data: the last ``FOOTER_BYTES`` of the file.
        name: of the file, for the error.
        offset: of the footer in the file.

    Raises:
        EnvironmentProblem: it is not the footer of a segment.
    """
    if len(data) == FOOTER_BYTES and _crc.unpack_from(data) == (zlib.crc32(data[_crc.size :]),):
        presence_size, presence_at, index_size, index_at, events = _footer.unpack_from(
            data, _crc.size
        )
        return Footer(Extent(presence_at, presence_size), Extent(index_at, index_size), events)
    raise damaged(name, offset)


def damaged(name: str, offset: int) -> EnvironmentProblem:
    """Return the error for bytes that are not those that were written."""
    return EnvironmentProblem(
        f"The archived segment {name} is damaged at byte {offset}.",
        remedy="Restore the file from a backup; `pgbridge events verify` says which are damaged.",
    )
