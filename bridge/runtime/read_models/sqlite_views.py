"""The views of read models in a SQLite file, which other programs may read at any time."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import sql
from bridge.core.errors import EnvironmentProblem
from bridge.eventsourcing.read_models.columns import Column, Kind, Stored
from bridge.eventsourcing.read_models.model import Key, Values
from bridge.eventsourcing.read_models.views import Build, ParkedEvent, name_taken, superseded
from bridge.runtime.sqlite_file import SqliteFile

_FOLDER: Final = "read_models/sqlite"
_TYPES: Final[Mapping[Kind, str]] = {
    "boolean": "INTEGER",
    "integer": "INTEGER",
    "real": "REAL",
    "decimal": "TEXT",  # as REAL it would lose digits
    "text": "TEXT",
    "time": "TEXT",
    "json": "TEXT",
}


class SqliteViews:
    """The view of one read model; see ``ViewStorage``. A file may hold several.

    Args:
        path: of the file; it and its directory are made if need be.
        name: of the read model and of the view.
        columns: of the read model.

    Raises:
        EnvironmentProblem: the file cannot be used.
    """

    def __init__(self, path: Path, name: str, columns: Sequence[Column]) -> None:
        self._name = name
        self._columns = tuple(columns)
        self._key = [column for column in columns if column.key]
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise EnvironmentProblem(
                f"The directory {path.parent} of read model {name!r} cannot be made: "
                f"{error.strerror}.",
                remedy="Check the path of its store, and the permissions there.",
            ) from error
        self._file = SqliteFile(
            path, layout=_FOLDER, when_lost="read models are then built anew from their events"
        )

    def live(self) -> Build | None:
        """See ``ViewStorage``."""
        with self._file.reading() as connection:
            return self._live(connection)

    def begin(self, version: int, source: str, *, live: bool) -> Build:
        """See ``ViewStorage``."""
        with self._file.transaction() as connection:
            before = self._live(connection)
            if before is not None and live:
                return before
            if before is None:
                (taken,) = self._run(connection, "name_taken", name=self._name).fetchone()
                if taken:
                    raise name_taken(self._name, str(self._file.path))
            if not live:
                for (number,) in self._run(connection, "unfinished", name=self._name).fetchall():
                    self._remove(connection, number)
            layout = ", ".join(map(str, self._columns))
            number = self._run(
                connection,
                "add_build",
                name=self._name,
                live=live,
                version=version,
                layout=layout,
                source=source,
            ).lastrowid
            assert number is not None
            self._run(connection, "create_table", number)
            if live:
                self._run(connection, "create_view", number)
        return Build(number, version, layout, source, 0)

    def rows(self, build: Build, keys: Collection[Key]) -> Mapping[Key, Values]:
        """See ``ViewStorage``."""
        query = self._statement("row", build.number, self._key)
        found: dict[Key, Values] = {}
        with self._file.reading() as connection:
            (exists,) = self._run(connection, "exists", build.number).fetchone()
            if not exists:
                raise superseded(self._name)
            for key in keys:
                row = connection.execute(query, _plain(key)).fetchone()
                if row is not None:
                    pairs = zip(self._columns, row, strict=True)
                    found[key] = tuple(_restored(column, value) for column, value in pairs)
        return found

    def commit(
        self,
        build: Build,
        position: int,
        changes: Mapping[Key, Values | None],
        parked: Sequence[ParkedEvent],
    ) -> Build:
        """See ``ViewStorage``."""
        saved = [_plain(row) for row in changes.values() if row is not None]
        removed = [_plain(key) for key, row in changes.items() if row is None]
        with self._file.transaction() as connection:
            moved = self._run(
                connection, "advance", build.number, before=build.position, position=position
            )
            if moved.rowcount != 1:
                raise superseded(self._name)
            save = self._statement("save_row", build.number, self._columns)
            connection.executemany(save, saved)
            connection.executemany(self._statement("remove_row", build.number, self._key), removed)
            for event in parked:
                self._run(connection, "park", build.number, **event._asdict())
        return build._replace(position=position)

    def swap(self, build: Build, *, even_if_behind: bool = False) -> bool:
        """See ``ViewStorage``."""
        with self._file.transaction() as connection:
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
            self._run(connection, "drop_view")
            self._run(connection, "create_view", build.number)
            if before is not None:
                self._remove(connection, before.number)
        return True

    def discard(self, build: Build) -> None:
        """See ``ViewStorage``."""
        with self._file.transaction() as connection:
            unfinished = self._run(connection, "unfinished", name=self._name).fetchall()
            if (build.number,) in unfinished:
                self._remove(connection, build.number)

    def parked(self, limit: int) -> list[ParkedEvent]:
        """See ``ViewStorage``."""
        with self._file.reading() as connection:
            rows = self._run(connection, "parked", name=self._name, limit=limit).fetchall()
        return [ParkedEvent(*row) for row in rows]

    def count_parked(self) -> int:
        """See ``ViewStorage``."""
        with self._file.reading() as connection:
            count: int = self._run(connection, "count_parked", name=self._name).fetchone()[0]
        return count

    def close(self) -> None:
        """See ``ViewStorage``."""
        self._file.close()

    def _live(self, connection: sqlite3.Connection) -> Build | None:
        row = self._run(connection, "live", name=self._name).fetchone()
        return None if row is None else Build(*row)

    def _remove(self, connection: sqlite3.Connection, number: int) -> None:
        for statement in ("forget", "forget_parked", "drop_table"):
            self._run(connection, statement, number)

    def _run(
        self,
        connection: sqlite3.Connection,
        statement: str,
        build: int | None = None,
        **values: Any,
    ) -> sqlite3.Cursor:
        query = self._statement(statement, build)
        return connection.execute(query, {"build": build, **values})

    def _statement(
        self, statement: str, build: int | None, parameters: Sequence[Column] = ()
    ) -> str:
        """Return a statement of the folder, with a mark for each of the columns in parameters."""
        definitions = statement == "create_table"
        return sql.load(f"{_FOLDER}/{statement}.sql").format(
            view=_quoted(self._name),
            table=_quoted(f"{self._name}__{build}"),
            key=", ".join(_quoted(column.name) for column in self._key),
            columns=", ".join(
                _definition(column) if definitions else _quoted(column.name)
                for column in self._columns
            ),
            marks=", ".join("?" for _ in parameters),
        )


def _quoted(name: str) -> str:
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


def _definition(column: Column) -> str:
    null = "" if column.nullable else " NOT NULL"
    return f"{_quoted(column.name)} {_TYPES[column.kind]}{null}"


def _plain(row: Values) -> list[Any]:
    """Return values that SQLite has."""
    return [
        value.isoformat()
        if isinstance(value, datetime)
        else str(value)
        if isinstance(value, Decimal)
        else value
        for value in row
    ]


def _restored(column: Column, value: Any) -> Stored:
    if value is None:
        return None
    match column.kind:
        case "boolean":
            return bool(value)
        case "decimal":
            return Decimal(value)
        case "time":
            return datetime.fromisoformat(value)
    stored: Stored = value
    return stored
