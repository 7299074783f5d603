"""The files of a spill: what a record looks like, and what is whole in a file that may be torn.

A segment is a file of records. Its name is its number in the order of the stream; ``new`` in it
says that positions start over, because the database has another history from here on. A record is
a header and a packed batch (``bridge.core.portable``)::

    offset  bytes  content
         0      4  CRC-32 of the rest of the header
         4      4  CRC-32 of the packed batch
         8      4  length of the packed batch, in bytes
        12      4  number of events in it
        16      8  commit LSN of the last of them
        24      8  its ordinal, signed
        32         the packed batch

Numbers are big-endian.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from struct import Struct
from typing import NamedTuple
from zlib import crc32

from bridge.core.errors import EnvironmentProblem
from bridge.core.events import EventBatch, Position
from bridge.core.portable import NotPortable, pack_batch, unpack_batch

_checked = Struct(">IIIQq")
_crc = Struct(">I")
_HEADER_BYTES = _crc.size + _checked.size
_NAME = re.compile(r"([0-9]{12})(-new)?\.spill")


class Place(NamedTuple):
    """A border between two records: number of the segment, and offset in it in bytes."""

    segment: int
    offset: int


class Record(NamedTuple):
    """A record in a file, without its content.

    Attributes:
        offset: where it begins, in bytes.
        end: where the next one begins.
        events: how many it holds.
        last: position of the last of them.
        crc: of the packed batch.
    """

    offset: int
    end: int
    events: int
    last: Position
    crc: int


@dataclass(frozen=True, slots=True)
class Segment:
    """A file of the spill.

    Attributes:
        path: of the file.
        number: its place in the order, from 1.
        begins_history: whether positions start over with it.
    """

    path: Path
    number: int
    begins_history: bool

    @classmethod
    def at(cls, directory: Path, number: int, *, begins_history: bool = False) -> Segment:
        """Return the segment with this number; it need not exist."""
        mark = "-new" if begins_history else ""
        return cls(directory / f"{number:012d}{mark}.spill", number, begins_history)


def segments_in(directory: Path) -> list[Segment]:
    """Return the segments of a directory in order; none if there is no such directory."""
    if not directory.is_dir():
        return []
    names = ((path, _NAME.fullmatch(path.name)) for path in directory.iterdir())
    found = [Segment(path, int(name[1]), name[2] is not None) for path, name in names if name]
    return sorted(found, key=lambda segment: segment.number)


def pack_record(batch: EventBatch) -> bytes:
    """Return the record of a batch, which must not be empty."""
    packed = pack_batch(batch)
    last = batch.last
    checked = _checked.pack(crc32(packed), len(packed), len(batch), last.commit_lsn, last.ordinal)
    return b"".join((_crc.pack(crc32(checked)), checked, packed))


def records_of(file: FileIO, offset: int = 0) -> Iterator[Record]:
    """Yield the records from ``offset`` on, up to the end or the first that is not whole.

    Only headers are read: whether the content is whole, ``content_is_whole`` tells.
    """
    size = os.fstat(file.fileno()).st_size
    while offset + _HEADER_BYTES <= size:
        file.seek(offset)
        header = file.read(_HEADER_BYTES)
        checked = header[_crc.size :]
        if len(header) < _HEADER_BYTES or _crc.unpack_from(header) != (crc32(checked),):
            return
        crc, length, events, commit_lsn, ordinal = _checked.unpack(checked)
        end = offset + _HEADER_BYTES + length
        if end > size:
            return
        yield Record(offset, end, events, Position(commit_lsn, ordinal), crc)
        offset = end


def content_is_whole(file: FileIO, record: Record) -> bool:
    """Whether the packed batch is the one that was written."""
    return crc32(_content(file, record)) == record.crc


def read_batch(file: FileIO, record: Record) -> EventBatch:
    """Return the batch of a record.

    Raises:
        EnvironmentProblem: the file is damaged.
    """
    packed = _content(file, record)
    if crc32(packed) == record.crc:
        try:
            return unpack_batch(packed)
        except NotPortable:
            pass
    raise damaged(Path(str(file.name)), record.offset)


def damaged(path: Path, offset: int) -> EnvironmentProblem:
    """Return the error for a record that was whole once and is not any more."""
    return EnvironmentProblem(
        f"{path} is damaged at byte {offset}: events that an optional sink was still to get.",
        remedy="Check the disk. Without the file the sink misses these events: read the tables "
        "anew for its target.",
    )


def _content(file: FileIO, record: Record) -> bytes:
    file.seek(record.offset + _HEADER_BYTES)
    return file.read(record.end - record.offset - _HEADER_BYTES)


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a sink is still to get from its spill.

    Attributes:
        events: how many.
        bytes: their size on disk.
    """

    events: int = 0
    bytes: int = 0


def waiting_in(directory: Path, delivered: Position | None) -> Waiting:
    """Return what waits behind the position that the sink holds; also while a bridge runs.

    A record of which the sink holds a part counts as a whole.
    """
    events = size = 0
    first = True
    for segment in segments_in(directory):
        if segment.begins_history and not first:
            delivered = None
        first = False
        try:
            with segment.path.open("rb", buffering=0) as file:
                for record in records_of(file):
                    if delivered is None or record.last > delivered:
                        events += record.events
                        size += record.end - record.offset
        except FileNotFoundError:
            continue  # the sink has just got all of it
    return Waiting(events, size)


def create(path: Path) -> FileIO:
    """Make the file of a new segment, to be appended to."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
    return FileIO(descriptor, "ab")


def write_all(descriptor: int, data: bytes) -> None:
    """Write every byte, in as many calls as that takes."""
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]


def sync_directory(directory: Path) -> None:
    """Make the names of new and removed files durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
