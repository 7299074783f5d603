"""The SQLite file of the state directory, and the directory's lock."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from bridge.core.errors import EnvironmentProblem
from bridge.runtime.sqlite_file import SqliteFile, no_access

FILE_NAME = "pgbridge.sqlite3"
LOCK_NAME = "pgbridge.lock"


class StateFile(SqliteFile):
    """The open file. Any thread may use it; one transaction runs at a time.

    Args:
        directory: made if it does not exist. On a local disk: SQLite and the lock need one.
        exclusive: hold the lock, so that no second bridge writes here. Without it the file has
            to exist already; that is for the commands that look at the state of a running bridge.

    Raises:
        EnvironmentProblem: the directory is in use, or cannot be used.
    """

    def __init__(self, directory: Path, *, exclusive: bool = True) -> None:
        self._lock_fd: int | None = None
        path = directory / FILE_NAME
        if exclusive:
            self._lock_fd = _lock(directory)
        elif not path.exists():
            raise EnvironmentProblem(
                f"There is no state in {directory}.",
                remedy="Set state.dir to the directory of a bridge that has run.",
            )
        try:
            super().__init__(
                path,
                layout="state",
                when_lost="the bridge then goes on from where the slot stands, and the dead "
                "letters in it are lost",
                migrate=exclusive,
            )
        except BaseException:
            self._unlock()
            raise

    def close(self) -> None:
        """Close the file and release the lock."""
        super().close()
        self._unlock()

    def _unlock(self) -> None:
        if self._lock_fd is not None:
            os.close(self._lock_fd)  # releases the lock
            self._lock_fd = None


def _lock(directory: Path) -> int:
    """Take the lock of the directory, made if need be; it ends with the process at the latest."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(directory / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise no_access(directory, error) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()
        os.close(descriptor)
        raise EnvironmentProblem(
            f"The state directory {directory} is in use"
            + (f" by process {owner}." if owner.isdigit() else "."),
            remedy="Stop that process first, or set state.dir to a directory of its own.",
        ) from None
    except OSError as error:
        os.close(descriptor)
        raise EnvironmentProblem(
            f"The state directory {directory} cannot be locked: {error.strerror}.",
            remedy="Set state.dir to a directory on a local disk.",
        ) from error
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode("ascii"), 0)
    return descriptor
