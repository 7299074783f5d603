"""The rows that exist before the first start, on disk until all of them have been read.

A snapshot that is interrupted begins anew, with another slot: its rows come again as other changes,
and some of them are not there any more. What a projection had told of them by then could not be
taken back, because events are never removed. So nothing is told before the snapshot is complete;
from then on the stream goes on behind it, and what is here is told once, whatever happens.

The file has the records of a spill (``bridge.runtime.spill.segments``).
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Final

from bridge.core.errors import EnvironmentProblem
from bridge.core.events import EventBatch, Position
from bridge.runtime.spill.segments import (
    Record,
    create,
    pack_record,
    read_batch,
    records_of,
    sync_directory,
    write_all,
)
from bridge.runtime.sqlite_file import no_access

_SUFFIX: Final = ".rows"
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


class ExistingRows:
    """The rows that one projection has to tell of, in a file that is removed when it has.

    Only one thread uses it at a time.

    Attributes:
        complete: whether none will be added.
        last: position of the last row that is there; None for none.
    """

    def __init__(self, path: Path, writer: FileIO | None, last: Position | None) -> None:
        self._path = path
        self._writer = writer
        self.complete = writer is None
        self.last = last

    @classmethod
    def begin(cls, directory: Path, projection: str) -> ExistingRows:
        """Make an empty file, after ``remove_all``.

        Raises:
            EnvironmentProblem: the directory refuses.
        """
        path = directory / f"{projection}{_SUFFIX}"
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            writer = create(path)
            sync_directory(directory)
        except OSError as error:
            raise _refused(path, error) from error
        return cls(path, writer, None)

    @classmethod
    def find(cls, directory: Path, projection: str) -> ExistingRows | None:
        """Return what a projection has not told to the end; None if it has.

        Raises:
            EnvironmentProblem: the file is damaged or cannot be read.
        """
        path = directory / f"{projection}{_SUFFIX}"
        last, end = None, 0
        try:
            with FileIO(path, "rb") as file:
                for record in records_of(file):
                    last, end = record.last, record.end
            size = path.stat().st_size
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _refused(path, error) from error
        if end != size:
            raise _damaged(path)
        return cls(path, None, last)

    def add(self, batches: Sequence[EventBatch]) -> None:
        """Add rows; return when they are durable. No batch may be empty.

        Raises:
            EnvironmentProblem: the disk refuses.
        """
        assert self._writer is not None
        try:
            write_all(self._writer.fileno(), b"".join(map(pack_record, batches)))
            os.fdatasync(self._writer.fileno())
        except OSError as error:
            raise _refused(self._path, error) from error
        self.last = batches[-1].last

    def batches(self, after: Position | None) -> Iterator[EventBatch]:
        """Yield the rows behind a position, in order.

        Raises:
            EnvironmentProblem: the file is damaged or cannot be read.
        """
        try:
            with FileIO(self._path, "rb") as file:
                for record in records_of(file):
                    if after is None:
                        yield _read(file, record, self._path)
                    elif record.last > after:
                        yield _read(file, record, self._path).after(after)
        except OSError as error:
            raise _refused(self._path, error) from error

    def remove(self) -> None:
        """Remove the file: everything in it has been told."""
        self.close()
        with suppress(OSError):  # it is found at the next start, with nothing left to tell
            self._path.unlink()

    def close(self) -> None:
        """Close the file; it stays."""
        if self._writer is not None:
            self._writer.close()


def rows_directory(state: Path, slot: str) -> Path:
    """Return where the existing rows of the projections of a slot are."""
    return state / "rows" / slot


def remove_all(directory: Path) -> None:
    """Remove what an interrupted first start has left, also of projections that are gone.

    Raises:
        EnvironmentProblem: the directory refuses.
    """
    for path in directory.glob(f"*{_SUFFIX}"):
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise _refused(path, error) from error


def _read(file: FileIO, record: Record, path: Path) -> EventBatch:
    try:
        return read_batch(file, record)
    except EnvironmentProblem:  # which speaks of sinks
        raise _damaged(path) from None


def _damaged(path: Path) -> EnvironmentProblem:
    return EnvironmentProblem(
        f"{path} is damaged: existing rows of which a projection was still to tell.",
        remedy="Check the disk, and restore the file; or begin anew with another source.slot, "
        "state.dir and store.",
    )


def _refused(path: Path, error: OSError) -> EnvironmentProblem:
    if error.errno in _FULL:
        return EnvironmentProblem(
            f"{path} cannot take the existing rows: the disk is full.",
            remedy="Free space on the disk of state.dir: it has to hold the existing rows until "
            "the snapshot is complete. Then start again.",
        )
    return no_access(path, error)
