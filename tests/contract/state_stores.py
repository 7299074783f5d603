"""The stores of processing state, as the contract tests use them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Protocol

import pytest

from bridge.core.events import Position
from bridge.postgres.connection import Database
from bridge.postgres.processor_state import PostgresStateStore
from bridge.processing.state.memory import MemoryStateStore
from bridge.processing.state.results import Result
from bridge.processing.state.store import ProcessingCheckpoint, StateStore
from bridge.runtime.processing.sqlite_store import SqliteStateStore


class Home(Protocol):
    """Where stores are."""

    def open(self, slot: str = "orders") -> StateStore: ...
    def wipe(self) -> None: ...


class MemoryHome:
    """Memory: a store that is opened again is the same object."""

    def __init__(self, request: pytest.FixtureRequest) -> None:
        self._stores: dict[str, MemoryStateStore] = {}
        self._made = 0

    def open(self, slot: str = "orders") -> StateStore:
        if slot not in self._stores:
            self._made += 1
            self._stores[slot] = MemoryStateStore(f"{self._made:032x}")
        return self._stores[slot]

    def wipe(self) -> None:
        self._stores.clear()


class SqliteHome:
    """A directory for ``processing.db``."""

    def __init__(self, request: pytest.FixtureRequest) -> None:
        self.directory: Path = request.getfixturevalue("tmp_path") / "state"
        self.directory.mkdir()

    def open(self, slot: str = "orders") -> StateStore:
        return SqliteStateStore(self.directory, slot)

    def wipe(self) -> None:
        shutil.rmtree(self.directory)
        self.directory.mkdir()


class PostgresHome:
    """A database."""

    def __init__(self, request: pytest.FixtureRequest) -> None:
        self.database = request.getfixturevalue("newest_database")
        self.dsn: str = self.database.dsn

    def open(self, slot: str = "orders") -> StateStore:
        return PostgresStateStore(Database(self.dsn), slot)

    def wipe(self) -> None:
        self.database.connect().execute("DROP SCHEMA pgbridge CASCADE")


HOMES = [
    pytest.param(MemoryHome, id="memory"),
    pytest.param(SqliteHome, id="sqlite"),
    pytest.param(PostgresHome, id="postgres"),
]
DURABLE_HOMES = HOMES[1:]


def make_result(number: int, *sinks: str) -> Result:
    """Return a result that tells its number in everything."""
    return Result(
        id=f"0191-{number}",
        type="window_result",
        processor="sums",
        timestamp=1_700_000_000_000_000 + number,
        row_id=None if number % 3 == 0 else f"k\u00e9y \ud800 {number}",
        members=f'"processor":"sums","values":{{"n":{number}}}',
        sinks=sinks or ("out",),
    )


def make_checkpoint(number: int, *, results: int = 2) -> ProcessingCheckpoint:
    """Return the n-th checkpoint of a stream that gives so many results at each."""
    states = {"sums-1": {"n": number}, "large-2": [(number, index) for index in range(2000)]}
    return ProcessingCheckpoint(Position(0x16_B374D848 + number, 3), states, number * results)


def make_results(number: int, *, results: int = 2) -> list[Result]:
    """Return the results of the n-th checkpoint."""
    last = number * results
    return [make_result(at) for at in range(last - results + 1, last + 1)]
