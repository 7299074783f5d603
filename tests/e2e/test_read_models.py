"""Read models of a running bridge: they come to what the tables hold, and are rebuilt beside it."""

from __future__ import annotations

import json
import random
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.fixtures.bridge_process import BridgeProcess
from tests.fixtures.databases import Database

TABLE = (
    "CREATE TABLE users (id int PRIMARY KEY, name text NOT NULL, balance int NOT NULL);"
    "ALTER TABLE users REPLICA IDENTITY FULL"
)
HELD = "SELECT id::text, name, balance FROM users ORDER BY 1"
POSITION = "SELECT position FROM pgbridge_read_models WHERE name = 'local_users' AND live"
SHOWN = "SELECT id, name, balance FROM {}users ORDER BY 1"


@pytest.fixture
def bridge(newest_database: Database, tmp_path: Path) -> Iterator[BridgeProcess]:
    newest_database.connect().execute(TABLE)
    bridge = BridgeProcess(
        tmp_path / "bridge",
        newest_database.dsn,
        tables=["public.users"],
        projections=[
            {
                "name": "accounts",
                "store": {"type": "sqlite", "path": str(tmp_path / "events.db")},
                "aggregates": [{"table": "public.users", "type": "User", "id": "id"}],
            }
        ],
        read_models=[
            {
                "name": name,
                "events": "accounts",
                "python": f"tests.fixtures.user_views:{python}",
                "store": store,
            }
            for name, python, store in (
                ("users", "users", {"type": "postgres"}),
                ("local_users", "users", {"type": "sqlite", "path": str(tmp_path / "views.db")}),
                ("richest", "richest", {"type": "sqlite", "path": str(tmp_path / "views.db")}),
            )
        ],
    )
    yield bridge
    bridge.kill()


class Views:
    """What readers see."""

    def __init__(self, database: Database, path: Path) -> None:
        self._session = database.connect()
        self._path = path / "views.db"

    def are_the_table(self) -> bool:
        held = self._session.execute(HELD).fetchall()
        try:
            return (
                held
                == self._session.execute(SHOWN.format("read_models.")).fetchall()
                == self._local()
            )
        except (psycopg.errors.UndefinedTable, sqlite3.OperationalError):
            return False  # it is not there yet

    def _local(self) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self._path)) as connection:
            return connection.execute(SHOWN.format("local_")).fetchall()

    def position(self) -> int:
        """Return up to which event the view ``local_users`` is."""
        try:
            with closing(sqlite3.connect(self._path)) as connection:
                row = connection.execute(POSITION).fetchone()
        except sqlite3.OperationalError:
            return 0  # it is not there yet
        return row[0] if row else 0

    def richest(self) -> dict[str, int]:
        with closing(sqlite3.connect(self._path)) as connection:
            return dict(connection.execute("SELECT initial, balance FROM richest").fetchall())


def workload(session: psycopg.Connection[Any], chance: random.Random, statements: int) -> None:
    for _ in range(statements):
        user, name = chance.randrange(20), chance.choice(["ann", "bob", "cid"])
        session.execute(
            chance.choice(
                [
                    f"INSERT INTO users VALUES ({user}, '{name}', 10) ON CONFLICT (id) DO NOTHING",
                    f"UPDATE users SET balance = balance + 7 WHERE id = {user}",
                    f"UPDATE users SET name = '{name}' WHERE id = {user}",
                    f"DELETE FROM users WHERE id = {user}",
                ]
            )
        )


@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.nightly)])
def test_views_come_to_what_the_table_holds_through_kills_and_a_rebuild(
    bridge: BridgeProcess, newest_database: Database, tmp_path: Path, kills: int
) -> None:
    seed = random.randrange(2**32)
    print("seed", seed)
    chance = random.Random(seed)
    session = newest_database.connect()
    views = Views(newest_database, tmp_path)

    bridge.start()
    bridge.wait_until_logged("stream_started")
    reached = 0
    for _ in range(kills):
        workload(session, chance, 50)
        bridge.until(lambda reached=reached: views.position() > reached, "the view moves")  # type: ignore[misc]
        reached = views.position()
        workload(session, chance, 100)
        bridge.kill()
        bridge.start()
    bridge.until(views.are_the_table, "the views are the table")
    before = views.richest()

    workload(session, chance, 50)
    for name in ("users", "local_users"):
        answer = json.loads(bridge.command("events", "rebuild", name, "--json"))
        assert (answer["read_model"], answer["version"]) == (name, 1)
        assert answer["events"] > 0
    workload(session, chance, 50)
    bridge.until(views.are_the_table, "the views are the table, behind the rebuild")
    after = views.richest()
    assert all(after[initial] >= balance for initial, balance in before.items())
    assert bridge.logged("read_model_parked") == []


def test_an_event_that_cannot_be_folded_is_parked_and_stops_a_rebuild(
    bridge: BridgeProcess, newest_database: Database
) -> None:
    session = newest_database.connect()
    bridge.start()
    bridge.wait_until_logged("stream_started")
    session.execute("INSERT INTO users VALUES (1, '', 10), (2, 'bob', 20)")

    entry = bridge.wait_until_logged("read_model_parked")
    assert (entry["read_model"], entry["events"]) == ("richest", 1)
    assert entry["reason"] == "the key of seen failed with IndexError"

    def shown() -> dict[str, Any]:
        found: dict[str, Any] = json.loads(
            bridge.command("events", "read-models", "richest", "--json")
        )
        return found

    found = shown()
    assert (found["behind"], found["parked"], found["outdated"]) == (0, 1, None)
    assert found["parked_events"][0]["event_type"] == "UserCreated"
    assert "richest" in bridge.command("events", "read-models")

    config = bridge.directory / "pgbridge.yaml"
    answer = subprocess.run(
        [sys.executable, "-m", "bridge.cli", "events", "rebuild", "richest", "-c", str(config)],
        capture_output=True,
        text=True,
    )
    assert answer.returncode == 1
    assert "The rebuild of 'richest' stops at event " in answer.stderr
    assert shown() == found
