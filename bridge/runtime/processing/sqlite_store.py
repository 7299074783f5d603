"""The processing state in a SQLite file of the state directory.

It is a file of its own: a state can be hundreds of megabytes, SQLite takes one writer at a time,
and the bridge's checkpoint and its dead letters should not wait for it.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import sql
from bridge.core.errors import EnvironmentProblem
from bridge.processing.state.codec import decode, encode
from bridge.processing.state.results import Result
from bridge.processing.state.rows import (
    parse_position,
    parts,
    position_text,
    result_row,
    row_result,
)
from bridge.processing.state.store import RESTORE_REMEDY, ProcessingCheckpoint, are_new
from bridge.runtime.sqlite_file import SqliteFile

FILE_NAME = "processing.db"


class SqliteStateStore:
    """Keeps the checkpoint and the outbox of one slot; see ``StateStore``.

    The lock of the directory, which ``StateFile`` holds, keeps other bridges out of this file too.

    Args:
        directory: ``state.dir``; it exists.
        slot: whose state it is.
        compress: whether states are compressed.

    Raises:
        EnvironmentProblem: the file cannot be used.
    """

    def __init__(self, directory: Path, slot: str, *, compress: bool = True) -> None:
        self._compress = compress
        self._file = SqliteFile(
            directory / FILE_NAME,
            layout="processing/sqlite",
            when_lost="started with `--accept-gap`, the processors then begin with empty states; "
            "the results in it that no sink got are lost",
        )
        try:
            self._store, self.identity = self._open(slot)
        except BaseException:
            self._file.close()
            raise

    def _open(self, slot: str) -> tuple[int, str]:
        with self._file.transaction() as connection:
            connection.execute(_load("open"), {"slot": slot, "identity": secrets.token_hex(16)})
            store, identity = connection.execute(_load("store"), {"slot": slot}).fetchone()
        return store, identity

    def load(self, names: Collection[str] | None = None) -> ProcessingCheckpoint | None:
        """See ``StateStore``."""
        with self._file.reading() as connection:
            position, sequence = self._checkpoint(connection)
            if sequence is None:
                return None
            encoded = {
                name: b"".join(part for (part,) in self._run(connection, "state", name=name))
                for name in (self._names(connection) if names is None else names)
            }
        states = {name: decode(data, name) for name, data in encoded.items() if data}
        return ProcessingCheckpoint(parse_position(position), states, sequence)

    def commit(self, checkpoint: ProcessingCheckpoint, results: Sequence[Result]) -> None:
        """See ``StateStore``."""
        encoded = {
            name: encode(state, name, compress=self._compress)
            for name, state in checkpoint.states.items()
        }
        with self._file.transaction() as connection:
            _, stored = self._checkpoint(connection)
            if are_new(results, checkpoint, stored):
                self._add(connection, checkpoint.sequence - len(results) + 1, results)
            for name, data in encoded.items():
                self._run(connection, "forget_state", name=name)
                for number, part in enumerate(parts(data)):
                    self._run(connection, "save_state", name=name, part=number, data=part)
            self._run(
                connection,
                "save_checkpoint",
                position=position_text(checkpoint.position),
                sequence=checkpoint.sequence,
            )

    def _add(self, connection: sqlite3.Connection, first: int, results: Sequence[Result]) -> None:
        connection.executemany(
            _load("add_result"),
            (
                (self._store, number, *result_row(result))
                for number, result in enumerate(results, start=first)
            ),
        )
        connection.executemany(
            _load("add_waiting"),
            (
                (self._store, sink, number)
                for number, result in enumerate(results, start=first)
                for sink in result.sinks
            ),
        )

    def results(self, sink: str, after: int, limit: int) -> list[tuple[int, Result]]:
        """See ``StateStore``."""
        with self._file.reading() as connection:
            rows = self._run(connection, "results", sink=sink, after=after, limit=limit).fetchall()
        return [(row[0], row_result(row[1:])) for row in rows]

    def delivered(self, sink: str, sequence: int) -> None:
        """See ``StateStore``."""
        with self._file.transaction() as connection:
            for statement in ("forget_results", "forget_waiting", "save_delivered"):
                self._run(connection, statement, sink=sink, sequence=sequence)

    def deliveries(self) -> Mapping[str, int]:
        """See ``StateStore``."""
        with self._file.reading() as connection:
            return dict(self._run(connection, "deliveries").fetchall())

    def waiting(self) -> Mapping[str, int]:
        """See ``StateStore``."""
        with self._file.reading() as connection:
            return dict(self._run(connection, "waiting").fetchall())

    def names(self) -> tuple[str, ...]:
        """See ``StateStore``."""
        with self._file.reading() as connection:
            return self._names(connection)

    def sizes(self) -> Mapping[str, int]:
        """See ``StateStore``."""
        with self._file.reading() as connection:
            return dict(self._run(connection, "sizes").fetchall())

    def forget(self, name: str) -> None:
        """See ``StateStore``."""
        with self._file.transaction() as connection:
            self._run(connection, "forget_state", name=name)

    def close(self) -> None:
        """See ``StateStore``."""
        self._file.close()

    def _run(self, connection: sqlite3.Connection, statement: str, **values: Any) -> sqlite3.Cursor:
        return connection.execute(_load(statement), {"store": self._store, **values})

    def _checkpoint(self, connection: sqlite3.Connection) -> tuple[str | None, int | None]:
        """Return position and sequence as they are stored."""
        row: tuple[str | None, int | None] | None = self._run(connection, "checkpoint").fetchone()
        if row is None:
            raise EnvironmentProblem(
                f"The state of this slot was removed from {self._file.path} while it was in use.",
                remedy=RESTORE_REMEDY,
            )
        return row

    def _names(self, connection: sqlite3.Connection) -> tuple[str, ...]:
        return tuple(name for (name,) in self._run(connection, "names"))


def _load(statement: str) -> str:
    return sql.load(f"processing/sqlite/{statement}.sql")
