"""The tables that we keep in a schema of a database, and the migrations that make them."""

from __future__ import annotations

import hashlib
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from bridge.core.errors import EnvironmentProblem
from bridge.postgres.connection import Connection
from sql import load, migrations


class Layout:
    """What a part of the bridge keeps in a schema.

    Args:
        folder: of ``sql`` with the migrations.
        table: that holds the version of the layout.
        schema: of the tables.
        what: the tables are of, for messages.
        address: of the database, for messages.
    """

    def __init__(self, folder: str, table: str, schema: str, *, what: str, address: str) -> None:
        self._folder = folder
        self._table = table
        self._schema = schema
        self._what = what
        self._address = address

    def bring_up_to_date(self, connection: Connection) -> None:
        """Make the tables, or bring them to the layout of this version.

        Args:
            connection: in a transaction, which then holds a lock: one process at a time does it.

        Raises:
            EnvironmentProblem: the account may not, or a newer version has made them.
        """
        purpose = f"pgbridge/layout {self._schema}.{self._table}"
        digest = hashlib.sha256(purpose.encode()).digest()
        self._run(connection, "lock", key=int.from_bytes(digest[:8], "big", signed=True))
        has_schema, has_layout = self._found(connection)
        try:
            # Asking first, because IF NOT EXISTS needs the right to create all the same.
            if not has_schema:
                self._run(connection, "create_schema")
            if not has_layout:
                self._run(connection, "create")
        except psycopg.errors.InsufficientPrivilege as error:
            raise EnvironmentProblem(
                f"The tables of {self._what} cannot be made in {self._address}: the account may "
                f"not create {'them' if has_schema else 'a schema'}.",
                remedy="Let an administrator run: CREATE SCHEMA "
                f"{sql.Identifier(self._schema).as_string()} AUTHORIZATION <role>;",
            ) from error
        schema = sql.Identifier(self._schema)
        for number, script in self._unapplied(connection):
            connection.execute(sql.SQL(script).format(schema=schema))
            self._run(connection, "save_version", version=number)

    def exists(self, connection: Connection) -> bool:
        """Return whether the tables are there, as this version knows them or older.

        Raises:
            EnvironmentProblem: a newer version has made them.
        """
        _, has_layout = self._found(connection)
        if has_layout:
            self._unapplied(connection)
        return has_layout

    def _found(self, connection: Connection) -> tuple[bool, bool]:
        row = self._run(connection, "exists", schema=self._schema, table=self._table).fetchone()
        assert row is not None
        has_schema, has_layout = row
        return has_schema, has_layout

    def _unapplied(self, connection: Connection) -> list[tuple[int, str]]:
        """Return the migrations that the tables lack, with their numbers."""
        row = self._run(connection, "version").fetchone()
        assert row is not None
        (version,) = row
        scripts = migrations(self._folder)
        if version > len(scripts):
            raise EnvironmentProblem(
                f"The tables of {self._what} in {self._address} were made by a newer pgbridge "
                f"(version {version} of their layout, known here: {len(scripts)}).",
                remedy="Install that version again.",
            )
        return list(enumerate(scripts[version:], start=version + 1))

    def _run(
        self, connection: Connection, statement: str, **values: Any
    ) -> psycopg.Cursor[TupleRow]:
        schema = self._schema.replace("%", "%%")  # twice in a statement with parameters
        query = sql.SQL(load(f"layout/{statement}.sql")).format(
            schema=sql.Identifier(schema), layout=sql.Identifier(schema, self._table)
        )
        return connection.execute(query, values)
