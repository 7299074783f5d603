"""The disk between the stream and a slow sink: a bounded file, first in, first out."""

from __future__ import annotations

import tempfile
from pathlib import Path
from struct import Struct

from bridge.core.events import EventBatch
from bridge.core.portable import pack_batch, unpack_batch

_length = Struct(">I")


class Spool:
    """A queue of batches on disk.

    It extends the memory, no more: the slot still holds everything in it. The file has no name, so
    nothing stays behind however the process ends.

    Args:
        directory: where the file is made.
        limit_bytes: above this size the spool is full; 0 for no spool at all.
    """

    def __init__(self, directory: Path, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._file = tempfile.TemporaryFile(dir=directory, prefix="spool-")  # noqa: SIM115
        self._read_at = 0
        self._write_at = 0
        self._batches = 0

    def __len__(self) -> int:
        return self._batches

    @property
    def size_bytes(self) -> int:
        """Bytes on disk."""
        return self._write_at

    @property
    def full(self) -> bool:
        """Whether the next batch has no place."""
        return self._write_at >= self._limit_bytes

    def append(self, batch: EventBatch) -> bool:
        """Add a batch. Returns False, with nothing changed, if the disk does not take it."""
        data = pack_batch(batch)
        try:
            self._file.seek(self._write_at)
            self._file.write(_length.pack(len(data)))
            self._file.write(data)
            self._file.flush()
        except OSError:
            return False
        self._write_at += _length.size + len(data)
        self._batches += 1
        return True

    def pop(self) -> EventBatch | None:
        """Take the oldest batch; None if there is none."""
        if not self._batches:
            return None
        self._file.seek(self._read_at)
        (size,) = _length.unpack(self._file.read(_length.size))
        batch = unpack_batch(self._file.read(size))
        self._read_at += _length.size + size
        self._batches -= 1
        if not self._batches:
            self._read_at = self._write_at = 0
            self._file.truncate(0)
        return batch

    def close(self) -> None:
        """Remove the file."""
        self._file.close()
