"""The processing state in a PostgreSQL database: the source's own, or another.

It works through a pooler in transaction mode: nothing outlasts a transaction on the server but
what is in the tables. Who may write is decided there too: opening the store puts a name of our own
into it, and a process that finds another name there has been replaced.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from bridge.core.errors import EnvironmentProblem
from bridge.postgres.connection import Connection, Database
from bridge.postgres.layout import Layout
from bridge.postgres.pooled_session import DURABLE, PooledSession
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
from sql import load

_FOLDER: Final = "processing/postgres"
_RESULT_TYPES: Final = ("int8", "int8", "text", "text", "text", "int8", "bytea", "bytea", "text")
_WAITING_TYPES: Final = ("int8", "text", "int8")


class NoState(EnvironmentProblem):
    """Nothing was ever stored for a slot."""


class PostgresStateStore:
    """Keeps the checkpoint and the outbox of one slot; see ``StateStore``.

    Args:
        database: where the tables are; it may be reached through a pooler.
        slot: whose state it is.
        schema: of the tables; it is made if there is none.
        compress: whether states are compressed.
        publication: that of the bridge, if it is in this database: it must not send the tables.
        reading: only look at it: nothing is made, and a bridge that writes to it goes on. Only
            what reads may be called then.

    Raises:
        NoState: there is nothing to look at.
        EnvironmentProblem: the tables cannot be used, or the publication sends them.
        Transient: the server is away.
    """

    def __init__(
        self,
        database: Database,
        slot: str,
        *,
        schema: str = "pgbridge",
        compress: bool = True,
        publication: str | None = None,
        reading: bool = False,
    ) -> None:
        self._database = database
        self._slot = slot
        self._schema = schema
        self._compress = compress
        self._writer = secrets.token_hex(16)
        what = "the processing state"
        self._session = PooledSession(database, what, DURABLE)
        self._layout = Layout(
            _FOLDER, "processing_layout", schema, what=what, address=database.address
        )
        self._store: int | None = None
        try:
            self._store, self.identity = self._find() if reading else self._open(publication)
        except BaseException:
            self.close()
            raise

    def _open(self, publication: str | None) -> tuple[int, str]:
        with self._session.transaction("opening") as connection:
            self._layout.bring_up_to_date(connection)
            if publication is not None:
                self._refuse_published(connection, publication)
            row = self._run(
                connection,
                "open",
                slot=self._slot,
                identity=secrets.token_hex(16),
                writer=self._writer,
            ).fetchone()
        assert row is not None
        store, identity = row
        return store, identity

    def _find(self) -> tuple[int, str]:
        with self._session.transaction("opening") as connection:
            row = None
            if self._layout.exists(connection):
                row = self._run(connection, "find", slot=self._slot).fetchone()
        if row is None:
            raise NoState(
                f"There is no processing state of slot {self._slot!r} in {self._database.address}.",
                remedy="Start the bridge once.",
            )
        store, identity = row
        return store, identity

    def _refuse_published(self, connection: Connection, publication: str) -> None:
        row = self._run(
            connection, "published", publication=publication, schema=self._schema
        ).fetchone()
        if row == (True,):
            raise EnvironmentProblem(
                f"Publication {publication!r} sends the tables of schema {self._schema!r}: every "
                "checkpoint of stream processing would be a change for the bridge to read.",
                remedy="Keep the processing state in another database or in SQLite, or list the "
                "tables in source.tables instead of publishing all of them.",
            )

    def load(self, names: Collection[str] | None = None) -> ProcessingCheckpoint | None:
        """See ``StateStore``."""
        with self._session.transaction("reading") as connection:
            row = self._run(connection, "checkpoint").fetchone()
            if row is None:
                raise self._removed()
            position, sequence = row
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
        with self._session.transaction("storing") as connection:
            stored = self._lock(connection)
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

    def _lock(self, connection: Connection) -> int | None:
        """Keep others from writing until the transaction ends, and return the sequence."""
        row = self._run(connection, "lock_checkpoint").fetchone()
        if row is None:
            raise self._removed()
        writer, sequence = row
        if writer != self._writer:
            raise EnvironmentProblem(
                f"Another process has taken over the processing state of slot {self._slot!r} in "
                f"{self._database.address}.",
                remedy="Let only one bridge work on a slot, or give each a schema of its own.",
            )
        return None if sequence is None else int(sequence)

    def _removed(self) -> EnvironmentProblem:
        return EnvironmentProblem(
            f"The processing state of slot {self._slot!r} was removed from "
            f"{self._database.address} while it was in use.",
            remedy=RESTORE_REMEDY,
        )

    def _add(self, connection: Connection, first: int, results: Sequence[Result]) -> None:
        if not results:
            return
        with connection.cursor() as cursor:
            with cursor.copy(self._plain("add_results")) as copy:
                copy.set_types(_RESULT_TYPES)
                for number, result in enumerate(results, start=first):
                    copy.write_row((self._store, number, *result_row(result)))
            with cursor.copy(self._plain("add_waiting")) as copy:
                copy.set_types(_WAITING_TYPES)
                for number, result in enumerate(results, start=first):
                    for sink in result.sinks:
                        copy.write_row((self._store, sink, number))

    def results(self, sink: str, after: int, limit: int) -> list[tuple[int, Result]]:
        """See ``StateStore``."""
        with self._session.transaction("reading results of") as connection:
            rows = self._run(connection, "results", sink=sink, after=after, limit=limit).fetchall()
        return [(row[0], row_result(row[1:])) for row in rows]

    def delivered(self, sink: str, sequence: int) -> None:
        """See ``StateStore``."""
        with self._session.transaction("storing deliveries in") as connection:
            for statement in ("forget_results", "forget_waiting", "save_delivered"):
                self._run(connection, statement, sink=sink, sequence=sequence)

    def deliveries(self) -> Mapping[str, int]:
        """See ``StateStore``."""
        with self._session.transaction("reading") as connection:
            return dict(self._run(connection, "deliveries").fetchall())

    def waiting(self) -> Mapping[str, int]:
        """See ``StateStore``."""
        with self._session.transaction("reading") as connection:
            return dict(self._run(connection, "waiting").fetchall())

    def names(self) -> tuple[str, ...]:
        """See ``StateStore``."""
        with self._session.transaction("reading") as connection:
            return self._names(connection)

    def sizes(self) -> Mapping[str, int]:
        """See ``StateStore``."""
        with self._session.transaction("reading") as connection:
            return dict(self._run(connection, "sizes").fetchall())

    def forget(self, name: str) -> None:
        """See ``StateStore``."""
        with self._session.transaction("removing a state from") as connection:
            self._run(connection, "forget_state", name=name)

    def close(self) -> None:
        """See ``StateStore``."""
        self._session.close()

    def _run(
        self, connection: Connection, statement: str, **values: Any
    ) -> psycopg.Cursor[TupleRow]:
        # In a statement with parameters a percent sign stands twice.
        query = _formatted(_load(statement), self._schema.replace("%", "%%"))
        return connection.execute(query, {"store": self._store, **values}, binary=True)

    def _plain(self, statement: str) -> sql.Composed:
        return _formatted(_load(statement), self._schema)

    def _names(self, connection: Connection) -> tuple[str, ...]:
        # Sorted here: in the database the order depends on its collation.
        return tuple(sorted(name for (name,) in self._run(connection, "names")))


def _load(statement: str) -> str:
    return load(f"{_FOLDER}/{statement}.sql")


def _formatted(statement: str, schema: str) -> sql.Composed:
    return sql.SQL(statement).format(schema=sql.Identifier(schema))
