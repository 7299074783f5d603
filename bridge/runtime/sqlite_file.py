"""A SQLite file that the bridge writes: its layout, its transactions, and what goes wrong with it.

Every transaction is on the disk when it returns (``synchronous = FULL``,
https://www.sqlite.org/pragma.html#pragma_synchronous).
"""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

import sql
from bridge.core.errors import EnvironmentProblem

_BUSY_TIMEOUT_S = 10.0
"""How long another process (``pgbridge dlq``) may hold the file before that is an error."""

_opening = Lock()
"""Held while a file is opened: several threads may open one that has to be made."""


class FileLocked(EnvironmentProblem):
    """Another program holds the file; nothing was changed."""


class SqliteFile:
    """The open file. Any thread may use it; one transaction runs at a time.

    Args:
        path: of the file; made if it does not exist. On a local disk: SQLite needs one.
        layout: the folder of ``sql`` whose migrations make the tables.
        when_lost: what happens without the file, to follow "move it away:" in messages.
        migrate: bring an older layout up to date; without it, an older layout is an error.

    Raises:
        EnvironmentProblem: the file cannot be used.
    """

    def __init__(self, path: Path, *, layout: str, when_lost: str, migrate: bool = True) -> None:
        self.path = path
        self._layout = layout
        self._when_lost = when_lost
        self._guard = Lock()
        self._connection = self._connect(migrate)

    def _connect(self, migrate: bool) -> sqlite3.Connection:
        with _opening, self._named_errors():
            self._make()
            connection = sqlite3.connect(
                self.path,
                timeout=_BUSY_TIMEOUT_S,
                isolation_level=None,
                check_same_thread=False,  # self._guard sees to it
            )
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = FULL")
                self._migrate(connection, migrate)
            except BaseException:
                connection.close()
                raise
            for folder in (self.path.parent, self.path.parent.parent):
                _sync(folder)  # the names of new files and directories
        return connection

    def _make(self) -> None:
        """Make the file, if there is none, for its owner alone: it will hold row values.

        Closing any descriptor of a file ends all locks that the process has on it, those of SQLite
        too (https://www.sqlite.org/howtocorrupt.html). So one that is there is not opened here, and
        nobody connects to one that is just being made.
        """
        try:
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError:
            if not os.access(self.path, os.R_OK | os.W_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES)) from None

    def _migrate(self, connection: sqlite3.Connection, migrate: bool) -> None:
        scripts = sql.migrations(self._layout)
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > len(scripts):
            raise EnvironmentProblem(
                f"{self.path} was written by a newer pgbridge (version {version} of its layout, "
                f"known here: {len(scripts)}).",
                remedy="Install that version again.",
            )
        if version < len(scripts) and not migrate:
            raise EnvironmentProblem(
                f"{self.path} was written by an older pgbridge.",
                remedy="Start the bridge with this version once.",
            )
        for number, script in enumerate(scripts[version:], start=version + 1):
            try:
                connection.executescript(
                    f"BEGIN IMMEDIATE;\n{script}\nPRAGMA user_version = {number};\nCOMMIT;"
                )
            except sqlite3.OperationalError:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                (version,) = connection.execute("PRAGMA user_version").fetchone()
                if version < number:  # else another process has done it meanwhile
                    raise

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
        """Close the file."""
        with self._guard:
            self._connection.close()

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            problem = self._problem(error)
            if problem is None:  # a mistake of ours, such as a statement that does not fit
                raise
            raise problem from error
        except OSError as error:
            raise no_access(self.path, error) from error

    def _problem(self, error: sqlite3.DatabaseError) -> EnvironmentProblem | None:
        name = getattr(error, "sqlite_errorname", None) or ""
        for prefixes, message, remedy in _PROBLEMS:
            if name.startswith(prefixes):
                remedy = remedy.format(when_lost=self._when_lost)
                kind = FileLocked if prefixes is _LOCKED else EnvironmentProblem
                return kind(f"{self.path} {message}", remedy=remedy)
        return None


def no_access(path: Path, error: OSError) -> EnvironmentProblem:
    """Return the error for a file of the state or of a store that the system refuses."""
    return EnvironmentProblem(
        f"{path} cannot be used: {error.strerror}.",
        remedy="Check its directory (state.dir, or the path of a store), and owner, permissions "
        "and disk.",
    )


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


_LOCKED = ("SQLITE_BUSY", "SQLITE_LOCKED")
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
        "Restore it, or move it away: {when_lost}.",
    ),
    (
        _LOCKED,
        f"has been locked by another program for {_BUSY_TIMEOUT_S:g} seconds.",
        "End the program that has it open.",
    ),
    (("SQLITE_IOERR",), "cannot be read or written: its disk reports an error.", "Check the disk."),
)
