"""The SQLite file of the state directory, and its lock.

Every transaction is on the disk when it returns (``synchronous = FULL``,
https://www.sqlite.org/pragma.html#pragma_synchronous).
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

import sql
from bridge.core.errors import EnvironmentProblem

FILE_NAME = "pgbridge.sqlite3"
LOCK_NAME = "pgbridge.lock"

_BUSY_TIMEOUT_S = 10.0
"""How long another process (``pgbridge dlq``) may hold the file before that is an error."""


class StateFile:
    """The open file. Any thread may use it; one transaction runs at a time.

    Args:
        directory: made if it does not exist. On a local disk: SQLite and the lock need one.
        exclusive: hold the lock, so that no second bridge writes here. Without it the file has
            to exist already; that is for the commands that look at the state of a running bridge.

    Raises:
        EnvironmentProblem: the directory is in use, or cannot be used.
    """

    def __init__(self, directory: Path, *, exclusive: bool = True) -> None:
        self.path = directory / FILE_NAME
        self._guard = Lock()
        self._lock_fd: int | None = None
        if exclusive:
            self._lock_fd = _lock(directory)
        elif not self.path.exists():
            raise EnvironmentProblem(
                f"There is no state in {directory}.",
                remedy="Set state.dir to the directory of a bridge that has run.",
            )
        try:
            self._connection = self._connect(exclusive)
        except BaseException:
            self._unlock()
            raise

    def _connect(self, exclusive: bool) -> sqlite3.Connection:
        with self._named_errors():
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))  # it will hold row values
            connection = sqlite3.connect(
                self.path,
                timeout=_BUSY_TIMEOUT_S,
                isolation_level=None,
                check_same_thread=False,  # self._guard sees to it
            )
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = FULL")
                self._migrate(connection, exclusive)
            except BaseException:
                connection.close()
                raise
            for folder in (self.path.parent, self.path.parent.parent):
                _sync(folder)  # the names of new files and directories
        return connection

    def _migrate(self, connection: sqlite3.Connection, exclusive: bool) -> None:
        scripts = sql.migrations("state")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > len(scripts):
            raise EnvironmentProblem(
                f"{self.path} was written by a newer pgbridge (version {version} of its layout, "
                f"known here: {len(scripts)}).",
                remedy="Install that version again.",
            )
        if version < len(scripts) and not exclusive:
            raise EnvironmentProblem(
                f"{self.path} was written by an older pgbridge.",
                remedy="Start the bridge with this version once.",
            )
        for number, script in enumerate(scripts[version:], start=version + 1):
            connection.executescript(
                f"BEGIN IMMEDIATE;\n{script}\nPRAGMA user_version = {number};\nCOMMIT;"
            )

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Run the block as one transaction; when it ends, the changes are on the disk.

        Raises:
            EnvironmentProblem: the disk is full, read-only or broken; nothing was changed.
        """
        with self._guard, self._named_errors():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Run the block, which only reads, on one state of the file; waits for no writer."""
        with self._guard, self._named_errors():
            self._connection.execute("BEGIN")
            try:
                yield self._connection
            finally:
                self._connection.execute("ROLLBACK")

    def close(self) -> None:
        """Close the file and release the lock."""
        with self._guard:
            self._connection.close()
        self._unlock()

    def _unlock(self) -> None:
        if self._lock_fd is not None:
            os.close(self._lock_fd)  # releases the lock
            self._lock_fd = None

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            problem = _problem(self.path, error)
            if problem is None:  # a mistake of ours, such as a statement that does not fit
                raise
            raise problem from error
        except OSError as error:
            raise _no_access(self.path, error) from error


def _lock(directory: Path) -> int:
    """Take the lock of the directory, made if need be; it ends with the process at the latest."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(directory / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _no_access(directory, error) from error
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


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _no_access(path: Path, error: OSError) -> EnvironmentProblem:
    return EnvironmentProblem(
        f"{path} cannot be used: {error.strerror}.",
        remedy="Check that state.dir is a directory, and its owner, permissions and disk.",
    )


_PROBLEMS: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (
        ("SQLITE_FULL",),
        "cannot grow: the disk is full.",
        "Free space on its disk, then start again; nothing that was confirmed is lost.",
    ),
    (
        ("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_AUTH"),
        "cannot be written.",
        "Check its owner and permissions, that nobody has moved it, and that its disk is not "
        "mounted read-only.",
    ),
    (
        ("SQLITE_CORRUPT", "SQLITE_NOTADB"),
        "is damaged: it is not the SQLite file that was written.",
        "Restore it, or move it away: the bridge then goes on from where the slot stands, and "
        "the dead letters in it are lost.",
    ),
    (
        ("SQLITE_BUSY", "SQLITE_LOCKED"),
        f"has been locked by another program for {_BUSY_TIMEOUT_S:g} seconds.",
        "End the program that has it open.",
    ),
    (("SQLITE_IOERR",), "cannot be read or written: its disk reports an error.", "Check the disk."),
)


def _problem(path: Path, error: sqlite3.DatabaseError) -> EnvironmentProblem | None:
    name = getattr(error, "sqlite_errorname", None) or ""
    for prefixes, message, remedy in _PROBLEMS:
        if name.startswith(prefixes):
            return EnvironmentProblem(f"{path} {message}", remedy=remedy)
    return None
