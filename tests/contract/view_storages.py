"""The storages of views, as the contract tests use them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

import pytest

from bridge.eventsourcing.read_models import ReadModel
from bridge.eventsourcing.read_models.views import ViewStorage
from bridge.postgres.connection import Database
from bridge.postgres.read_models import PostgresViews
from bridge.runtime.read_models.sqlite_views import SqliteViews
from tests.fixtures.bank_views import balances


class Home(Protocol):
    """Where views are, and how readers see them."""

    def open(self, model: ReadModel[Any] = balances, name: str = "balances") -> ViewStorage: ...
    def execute(self, statement: str) -> list[tuple[Any, ...]]: ...


class SqliteHome:
    """A file in a directory that is not there yet."""

    def __init__(self, request: pytest.FixtureRequest) -> None:
        self.path: Path = request.getfixturevalue("tmp_path") / "state" / "views.db"

    def open(self, model: ReadModel[Any] = balances, name: str = "balances") -> ViewStorage:
        return SqliteViews(self.path, name, model.columns)

    def execute(self, statement: str) -> list[tuple[Any, ...]]:
        self.path.parent.mkdir(exist_ok=True)
        with closing(sqlite3.connect(self.path, isolation_level=None)) as connection:
            return connection.execute(statement).fetchall()


class PostgresHome:
    """A schema of a database."""

    def __init__(self, request: pytest.FixtureRequest) -> None:
        self.database = request.getfixturevalue("newest_database")

    def open(self, model: ReadModel[Any] = balances, name: str = "balances") -> ViewStorage:
        return PostgresViews(Database(self.database.dsn), name, model.columns, schema="read_models")

    def execute(self, statement: str) -> list[tuple[Any, ...]]:
        with self.database.connect() as connection:
            connection.execute("CREATE SCHEMA IF NOT EXISTS read_models")
            connection.execute("SET search_path = read_models")
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []


HOMES = [pytest.param(SqliteHome, id="sqlite"), pytest.param(PostgresHome, id="postgres")]
