"""Segment files of archived events, in a directory.

A file is written under another name, synced, and then renamed: what has the name of a segment is
whole. An archiving that was cut off leaves at most a file ``*.part``, which the next one removes.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from bridge.core.errors import EnvironmentProblem

_SUFFIX: Final = ".events"
_PART: Final = ".part"
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


class SegmentDirectory:
    """The directory with the segments of one or more storages; see ``SegmentFiles``.

    Args:
        path: of the directory; made with the first segment.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self, name: str, offset: int, length: int) -> bytes:
        """See ``SegmentFiles``."""
        try:
            with (self._path / name).open("rb", buffering=0) as file:
                parts = []
                while length > 0 and (part := os.pread(file.fileno(), length, offset)):
                    parts.append(part)
                    offset += len(part)
                    length -= len(part)
                return b"".join(parts)
        except FileNotFoundError as error:
            raise EnvironmentProblem(
                f"The archived segment {name} is not in {self._path}.",
                remedy="Restore the file, or set archive.dir of the store to where it is.",
            ) from error
        except OSError as error:
            raise _refused(self._path / name, error) from error

    def write(self, name: str, data: bytes) -> None:
        """See ``SegmentFiles``."""
        final = self._path / name
        part = final.with_suffix(_PART)
        try:
            _write_durably(part, data)
            part.replace(final)
            _sync(self._path)
        except OSError as error:
            with suppress(OSError):
                part.unlink()
            raise _refused(self._path, error) from error

    def names(self) -> list[str]:
        """See ``SegmentFiles``."""
        try:
            return sorted(path.name for path in self._path.glob(f"*{_SUFFIX}"))
        except OSError as error:
            raise _refused(self._path, error) from error

    @contextmanager
    def exclusive(self, identity: str) -> Iterator[None]:
        """See ``SegmentFiles``."""
        owner = identity[:8]
        try:
            self._path.mkdir(parents=True, exist_ok=True)
            _sync(self._path.parent)
            lock = os.open(self._path / f"{owner}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise _refused(self._path, error) from error
        try:
            self._take(lock)
            for left in self._path.glob(f"{owner}-*{_PART}"):
                left.unlink(missing_ok=True)
            yield
        finally:
            os.close(lock)

    def _take(self, lock: int) -> None:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise EnvironmentProblem(
                f"Another process archives the same event store into {self._path}.",
                remedy="Wait until it has ended.",
            ) from error
        except OSError as error:
            raise _refused(self._path, error) from error


def _write_durably(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        left = memoryview(data)
        while left:
            left = left[os.write(descriptor, left) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _refused(path: Path, error: OSError) -> EnvironmentProblem:
    if error.errno in _FULL:
        return EnvironmentProblem(
            f"{path} cannot take another segment: the disk is full.",
            remedy="Free space on its disk and archive again; the events are still in the store.",
        )
    return EnvironmentProblem(
        f"{path} cannot be used: {error.strerror}.",
        remedy="Check archive.dir of the store: that it is a directory, its owner and disk.",
    )
