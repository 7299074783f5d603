"""A file that only grows, survives crashes at any moment, and is split when it gets large."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import stat
from collections.abc import Iterator

from bridge.core.errors import BridgeError, EnvironmentProblem, Transient
from bridge.core.events import Position, Source
from sinks.event_tail import LastEvent, read_tail

MAX_UNSYNCED_BYTES = 8 * 1024 * 1024
"""No more than this is ever written without an fsync, so that after a crash only this much of
the end of the file can be torn and has to be looked at."""

_COPY_BYTES = 1024 * 1024
_FILE_MODE = 0o600
_DIRECTORY_MODE = 0o700

_PASSING = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EINTR, errno.EAGAIN, errno.ENOMEM, errno.EMFILE,
     errno.ENFILE, errno.ESTALE, errno.ETIMEDOUT, errno.EBUSY}
)  # fmt: skip
_DENIED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_NO_FSYNC_OF_DIRECTORIES = frozenset({errno.EINVAL, errno.ENOTSUP})


class AppendFile:
    """Lines appended to a file, as a target of ``JsonLinesSink``.

    Args:
        path: of the file; made with its missing directories, readable by its owner only.
        rotate_bytes: the size that makes the next batch begin a new file; None for one file.
        line_starts: what an event begins with in the format of the file, for each kind of event.
    """

    def __init__(self, path: str, rotate_bytes: int | None, line_starts: tuple[str, ...]) -> None:
        # The name behind symbolic links: a rotation must rename the file, not the link.
        self._path = os.path.realpath(os.path.expanduser(path))
        self._rotate_bytes = rotate_bytes
        self._line_starts = tuple(start.encode() for start in line_starts)
        self._descriptor = -1
        self._size = 0
        self._synced = 0
        self._last: Position | None = None

    def open(self, source: Source) -> Position | None:
        """Lock the file, repair its end, make it durable, and return the last position in it.

        Raises:
            EnvironmentProblem: the file cannot be written, another process writes it, or it holds
                something other than events.
            Transient: the disk is full or failing.
        """
        with self._explained():
            _make_directory(os.path.dirname(self._path))
            self._descriptor = self._open_locked()
            last = self._repair() or self._last_rotated(source)
        return last.position if last and last.comes_from(source) else None

    def append(self, lines: bytes, last: Position) -> None:
        """Write the lines, all of them or none."""
        with self._explained():
            self._check_size()
            if self._rotate_bytes and self._size and self._size + len(lines) > self._rotate_bytes:
                self._rotate()
            begin = self._size
            try:
                self._write(memoryview(lines))
            except BaseException:
                # Readers shall find whole lines, also while we wait for room on the disk.
                with contextlib.suppress(OSError):
                    os.ftruncate(self._descriptor, begin)
                raise
        self._last = last

    def sync(self) -> None:
        """Bring everything written to the disk.

        Raises:
            Transient: that failed, or the file is no longer the one at its path.
        """
        with self._explained():
            self._sync_data()
            self._check_size()
            try:
                found = os.stat(self._path)
            except FileNotFoundError:
                found = None
            if found is None or not os.path.samestat(found, os.fstat(self._descriptor)):
                raise self._changed("moved or deleted")

    def close(self) -> None:
        """Close the file, which gives up the lock."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            with contextlib.suppress(OSError):
                os.close(descriptor)

    def _open_locked(self) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
        while True:
            descriptor = os.open(self._path, flags, _FILE_MODE)
            try:
                opened = os.fstat(descriptor)
                if not stat.S_ISREG(opened.st_mode):
                    raise EnvironmentProblem(
                        f"{self._path!r} is not a regular file.",
                        remedy="Choose another path; for a pipe use the sink type 'stdout'.",
                    )
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError as error:
                    raise EnvironmentProblem(
                        f"Another process, or another sink, writes {self._path!r}.",
                        remedy="Stop the other one, or give each its own path.",
                    ) from error
                # Between open and lock, a process that gave up the lock may have renamed it.
                with contextlib.suppress(FileNotFoundError):
                    if os.path.samestat(os.stat(self._path), opened):
                        _sync_directory(os.path.dirname(self._path))
                        return descriptor
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)

    def _repair(self) -> LastEvent | None:
        """Cut off the torn end and make the rest durable; return the last event."""
        descriptor = self._descriptor
        with open(descriptor, "rb", closefd=False) as file:
            tail = read_tail(file, self._path, MAX_UNSYNCED_BYTES, self._line_starts)
        os.ftruncate(descriptor, tail.end)
        # An fsync that failed, in this process or the one before, leaves pages that pass for
        # written and are not. Writing the same bytes again makes the next fsync cover them.
        for at in range(tail.start, tail.end, _COPY_BYTES):
            block = os.pread(descriptor, min(_COPY_BYTES, tail.end - at), at)
            if os.pwrite(descriptor, block, at) < len(block):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._size = tail.end
        self._sync_data()
        self._last = tail.last.position if tail.last else None
        return tail.last

    def _last_rotated(self, source: Source) -> LastEvent | None:
        """Return the last event of the newest file that was split off with events of ``source``.

        Files of other sources may have greater names: a new store numbers its results from 1.
        """
        directory, stem, extension = self._name_parts()
        name = re.compile(
            rf"{re.escape(stem)}-[0-9A-F]{{16}}-[-0-9]{{10}}(_\d+)?{re.escape(extension)}"
        )
        for rotated in sorted(filter(name.fullmatch, os.listdir(directory)), reverse=True):
            last = self._last_of(os.path.join(directory, rotated))
            if last is None or last.comes_from(source):
                return last
        return None

    def _last_of(self, path: str) -> LastEvent | None:
        """Return the last event of a file that was split off; None if it is not whole any more."""
        with open(path, "rb") as file:
            try:
                # It was whole when it was renamed.
                tail = read_tail(file, path, 1, self._line_starts)
            except EnvironmentProblem:
                return None
            return tail.last if tail.end == os.path.getsize(path) else None

    def _rotate(self) -> None:
        self._sync_data()
        assert self._last is not None
        lsn, ordinal = self._last
        directory, stem, extension = self._name_parts()
        base = os.path.join(directory, f"{stem}-{lsn:016X}-{ordinal:010d}")
        target, number = f"{base}{extension}", 1
        while os.path.exists(target):
            number += 1
            target = f"{base}_{number}{extension}"
        mode = stat.S_IMODE(os.fstat(self._descriptor).st_mode)
        os.rename(self._path, target)
        self.close()
        self._descriptor = self._open_locked()
        os.fchmod(self._descriptor, mode)
        self._size = self._synced = os.fstat(self._descriptor).st_size

    def _name_parts(self) -> tuple[str, str, str]:
        directory, name = os.path.split(self._path)
        stem, extension = os.path.splitext(name)
        return directory, stem, extension

    def _write(self, rest: memoryview) -> None:
        while rest:
            room = self._synced + MAX_UNSYNCED_BYTES - self._size
            if room <= 0:
                self._sync_data()
                continue
            written = os.pwrite(self._descriptor, rest[:room], self._size)
            self._size += written
            rest = rest[written:]

    def _sync_data(self) -> None:
        _sync_descriptor(self._descriptor)
        self._synced = self._size

    def _check_size(self) -> None:
        if os.fstat(self._descriptor).st_size != self._size:
            raise self._changed("changed by another program")

    def _changed(self, how: str) -> Transient:
        return Transient(
            f"{self._path!r} was {how} while it was being written.",
            remedy="It is opened again and the events that may be missing are repeated. To split "
            "the file, use the setting rotate_bytes.",
        )

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise _explain(error, self._path) from error


def _explain(error: OSError, path: str) -> BridgeError:
    number = error.errno or 0
    message = f"{path!r} cannot be written: {os.strerror(number)}."
    if number in (errno.ENOSPC, errno.EDQUOT):
        return Transient(message, remedy="Free space on its disk; events wait until there is room.")
    if number in _PASSING:
        return Transient(message)
    if number in _DENIED:
        remedy = "Let the user that runs pgbridge write there, or choose another path."
    else:
        remedy = "Choose another path."
    return EnvironmentProblem(message, remedy=remedy)


def _make_directory(path: str) -> None:
    missing: list[str] = []
    while not os.path.isdir(path):
        missing.append(path)
        path = os.path.dirname(path)
    for path in reversed(missing):
        with contextlib.suppress(FileExistsError):
            os.mkdir(path, _DIRECTORY_MODE)
        _sync_directory(os.path.dirname(path))


def _sync_directory(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_FSYNC_OF_DIRECTORIES:
            raise
    finally:
        os.close(descriptor)


def _sync_descriptor(descriptor: int) -> None:
    if hasattr(fcntl, "F_FULLFSYNC"):  # macOS, where fsync stops at the cache of the disk
        fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
    elif hasattr(os, "fdatasync"):
        os.fdatasync(descriptor)
    else:
        os.fsync(descriptor)
