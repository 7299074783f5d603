"""The views of read models in a PostgreSQL database: the source's own, or another.

It works through a pooler in transaction mode. A commit need not be on the disk at once: rows and
position are stored together, so that after a crash of the server the same events are folded again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from bridge.core.errors import EnvironmentProblem
from bridge.eventsourcing.read_models.columns import Column, Kind, Stored
from bridge.eventsourcing.read_models.model import Key, Values
from bridge.eventsourcing.read_models.views import Build, ParkedEvent, name_taken, superseded
from bridge.postgres.connection import Connection, Database
from bridge.postgres.layout import Layout
from bridge.postgres.pooled_session import REPEATABLE, PooledSession
from sql import load

_FOLDER: Final = "read_models/postgres"
_LOCK: Final = int.from_bytes(
    hashlib.sha256(b"pgbridge/read models").digest()[:8], "big", signed=True
)
_TYPES: Final[Mapping[Kind, str]] = {
    "boolean": "boolean",
    "integer": "bigint",
    "real": "double precision",
    "decimal": "numeric",
    "text": "text",
    "time": "timestamptz",
    "json": "jsonb",
}
_COMMA: Final = sql.SQL(", ")


class PostgresViews:
    """The view of one read model; see ``ViewStorage``.

    Args:
        database: where it is; it may be reached through a pooler.
        name: of the read model and of the view.
        columns: of the read model.
        schema: of the view; it is made if there is none.
        publication: that of the bridge, if it is in this database: it must not send the view.

    Raises:
        EnvironmentProblem: the schema cannot be used, or the publication sends its tables.
        Transient: the server is away.
    """

    def __init__(
        self,
        database: Database,
        name: str,
        columns: Sequence[Column],
        *,
        schema: str,
        publication: str | None = None,
    ) -> None:
        self._database = database
        self._name = name
        self._columns = tuple(columns)
        self._key = [column for column in columns if column.key]
        self._schema = schema
        self._session = PooledSession(database, f"the read model {name!r}", REPEATABLE)
        self._layout = Layout(
            _FOLDER,
            "pgbridge_read_models_layout",
            schema,
            what="read models",
            address=database.address,
        )
        try:
            self._open(publication)
        except BaseException:
            self.close()
            raise

    def _open(self, publication: str | None) -> None:
        with self._transaction("opening") as connection:
            if publication is not None:
                self._refuse_published(connection, publication)
            self._layout.bring_up_to_date(connection)

    def _refuse_published(self, connection: Connection, publication: str) -> None:
        found = self._run(connection, "published", publication=publication, schema=self._schema)
        if found.fetchone() == (True,):
            raise EnvironmentProblem(
                f"Publication {publication!r} sends the tables of schema {self._schema!r}: every "
                "change of a read model would be a change for the bridge to read.",
                remedy="Keep read models in another database or schema, or list the tables in "
                "source.tables instead of publishing all of them.",
            )

    def live(self) -> Build | None:
        """See ``ViewStorage``."""
        with self._transaction("reading") as connection:
            return self._live(connection)

    def begin(self, version: int, source: str, *, live: bool) -> Build:
        """See ``ViewStorage``."""
        with self._transaction("making") as connection:
            self._run(connection, "lock", key=_LOCK)
            before = self._live(connection)
            if before is not None and live:
                return before
            if before is None:
                self._refuse_name(connection)
            if not live:
                for (number,) in self._run(connection, "unfinished", name=self._name).fetchall():
                    self._remove(connection, number)
            layout = ", ".join(map(str, self._columns))
            row = self._run(
                connection,
                "add_build",
                name=self._name,
                live=live,
                version=version,
                layout=layout,
                source=source,
            ).fetchone()
            assert row is not None
            (number,) = row
            self._run(connection, "create_table", number)
            if live:
                self._run(connection, "create_view", number)
        return Build(number, version, layout, source, 0)

    def rows(self, build: Build, keys: Collection[Key]) -> Mapping[Key, Values]:
        """See ``ViewStorage``."""
        arrays = self._arrays(self._key, keys)
        with self._transaction("reading", build=True) as connection:
            found = self._run(connection, "rows", build.number, self._key, **arrays).fetchall()
        rows = [tuple(map(_restored, row)) for row in found]
        at = [index for index, column in enumerate(self._columns) if column.key]
        return {tuple(row[index] for index in at): row for row in rows}

    def commit(
        self,
        build: Build,
        position: int,
        changes: Mapping[Key, Values | None],
        parked: Sequence[ParkedEvent],
    ) -> Build:
        """See ``ViewStorage``."""
        saved = [row for row in changes.values() if row is not None]
        removed = [key for key, row in changes.items() if row is None]
        with self._transaction("storing", build=True) as connection:
            moved = self._run(
                connection, "advance", build.number, before=build.position, position=position
            )
            if moved.rowcount != 1:
                raise superseded(self._name)
            if saved:
                arrays = self._arrays(self._columns, saved)
                self._run(connection, "save_rows", build.number, self._columns, **arrays)
            if removed:
                arrays = self._arrays(self._key, removed)
                self._run(connection, "remove_rows", build.number, self._key, **arrays)
            if parked:
                fields = zip(ParkedEvent._fields, map(list, zip(*parked, strict=True)), strict=True)
                self._run(connection, "park", build.number, **dict(fields))
        return build._replace(position=position)

    def swap(self, build: Build, *, even_if_behind: bool = False) -> bool:
        """See ``ViewStorage``."""
        with self._transaction("swapping") as connection:
            self._run(connection, "lock", key=_LOCK)
            before = self._live(connection)
            if before is not None and before.number == build.number:
                return True  # the answer to the commit was lost
            if before is not None:
                further = before.source == build.source and before.position > build.position
                if further and not even_if_behind:
                    return False
                self._run(connection, "forget", before.number)
            moved = self._run(connection, "go_live", build.number, position=build.position)
            if moved.rowcount != 1:
                raise superseded(self._name)
            try:
                if before is None or before.layout != build.layout:
                    # A view keeps what was granted only while its columns stay the same.
                    self._run(connection, "drop_view")
                self._run(connection, "create_view", build.number)
                if before is not None:
                    self._remove(connection, before.number)
            except psycopg.errors.DependentObjectsStillExist as error:
                raise EnvironmentProblem(
                    f"The view {self._name!r} in schema {self._schema!r} cannot be replaced: other "
                    "views or functions depend on it or its table, and its columns have changed.",
                    remedy="Drop these, rebuild, and create them again, on the view.",
                ) from error
        return True

    def discard(self, build: Build) -> None:
        """See ``ViewStorage``."""
        with self._transaction("removing") as connection:
            self._run(connection, "lock", key=_LOCK)
            unfinished = self._run(connection, "unfinished", name=self._name).fetchall()
            if (build.number,) in unfinished:
                self._remove(connection, build.number)

    def parked(self, limit: int) -> list[ParkedEvent]:
        """See ``ViewStorage``."""
        with self._transaction("reading") as connection:
            rows = self._run(connection, "parked", name=self._name, limit=limit).fetchall()
        return [ParkedEvent(*row) for row in rows]

    def count_parked(self) -> int:
        """See ``ViewStorage``."""
        with self._transaction("reading") as connection:
            row = self._run(connection, "count_parked", name=self._name).fetchone()
        assert row is not None
        count: int = row[0]
        return count

    def close(self) -> None:
        """See ``ViewStorage``."""
        self._session.close()

    def _live(self, connection: Connection) -> Build | None:
        row = self._run(connection, "live", name=self._name).fetchone()
        return None if row is None else Build(*row)

    def _refuse_name(self, connection: Connection) -> None:
        taken = self._run(connection, "name_taken", name=self._name, schema=self._schema)
        if taken.fetchone() == (True,):
            raise name_taken(self._name, f"schema {self._schema!r} of {self._database.address}")

    def _remove(self, connection: Connection, number: int) -> None:
        for statement in ("forget", "forget_parked", "drop_table"):
            self._run(connection, statement, number)

    def _arrays(self, columns: Sequence[Column], rows: Collection[Values]) -> dict[str, Any]:
        """Return one array of texts for each column, which the server reads as its type."""
        texts = [[_text(value) for value in row] for row in rows]
        return {f"c{n}": [row[n] for row in texts] for n in range(len(columns))}

    @contextmanager
    def _transaction(self, doing: str, *, build: bool = False) -> Iterator[Connection]:
        """Run the block as one transaction.

        Args:
            doing: for messages.
            build: whether it uses the table of a build, which another process may have dropped.
        """
        with self._session.transaction(doing) as connection:
            try:
                yield connection
            except psycopg.errors.UndefinedTable as error:
                if build:
                    raise superseded(self._name) from error
                raise

    def _run(
        self,
        connection: Connection,
        statement: str,
        build: int | None = None,
        columns: Sequence[Column] = (),
        **values: Any,
    ) -> psycopg.Cursor[TupleRow]:
        """Run a statement of the folder.

        Args:
            connection: in a transaction.
            statement: its name.
            build: the number of the build that it is about.
            columns: for which there are arrays, ``c0`` and on.
            values: its parameters.
        """
        schema = self._schema.replace("%", "%%")  # twice in a statement with parameters
        numbers = range(len(columns))
        query = sql.SQL(load(f"{_FOLDER}/{statement}.sql")).format(
            schema=sql.Identifier(schema),
            view=sql.Identifier(schema, self._name),
            table=sql.Identifier(schema, f"{self._name}__{build}"),
            key=_names(self._key),
            columns=_COMMA.join(map(_definition, self._columns))
            if statement == "create_table"
            else _names(self._columns),
            read=_COMMA.join(map(_read, self._columns)),
            casts=_COMMA.join(map(_cast, columns)),
            arrays=_COMMA.join(
                sql.SQL("{}::text[]").format(sql.Placeholder(f"c{n}")) for n in numbers
            ),
            excluded=_COMMA.join(sql.Identifier("excluded", c.name) for c in self._columns),
        )
        return connection.execute(query, {"build": build, **values}, binary=True)


def _names(columns: Sequence[Column]) -> sql.Composed:
    return _COMMA.join(sql.Identifier(column.name) for column in columns)


def _definition(column: Column) -> sql.Composable:
    null = "" if column.nullable else " NOT NULL"
    return sql.SQL("{} {}").format(
        sql.Identifier(column.name), sql.SQL(f"{_TYPES[column.kind]}{null}")
    )


def _read(column: Column) -> sql.Composable:
    # The time in UTC, because that of the session may have no such year.
    form = {"json": "{}::text", "time": "{} AT TIME ZONE 'UTC'"}.get(column.kind, "{}")
    return sql.SQL(form).format(sql.Identifier(column.name))


def _cast(column: Column) -> sql.Composable:
    return sql.SQL("{}::{}").format(sql.Identifier(column.name), sql.SQL(_TYPES[column.kind]))


def _text(value: Stored) -> str | None:
    """Return a value as PostgreSQL reads it, whatever the session's settings are."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)


def _restored(value: Any) -> Stored:
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value
