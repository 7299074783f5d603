"""Tables that change mid-stream: a rename, a drop and another type, each with its outcome."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bridge.config.event_store import StoreConfig
from bridge.core.lsn import format_lsn
from bridge.event_stores import open_storage
from tests.e2e.conftest import MakeBridge
from tests.fixtures.bridge_process import BridgeProcess
from tests.fixtures.databases import Database
from tests.fixtures.slot_history import current_wal_lsn, wait_until_confirmed


def history(bridge: BridgeProcess, table: str) -> list[dict[str, Any]]:
    versions: list[dict[str, Any]] = json.loads(
        bridge.command("schema", "history", table, "--json")
    )
    return versions


def position(event: dict[str, Any]) -> str:
    return f"{format_lsn(event['commit_lsn'])}:{event['ordinal']}"


def test_every_form_of_a_table_is_in_its_history_from_its_first_row_on(
    newest_database: Database, make_bridge: MakeBridge
) -> None:
    connection = newest_database.connect()
    for statement in (
        "CREATE TYPE mood AS ENUM ('ok')",
        "CREATE TABLE users (id int, name varchar(20), part int2, mood mood, sum numeric(9,2)[],"
        " PRIMARY KEY (part, id))",
        "ALTER TABLE users REPLICA IDENTITY FULL",
        "INSERT INTO users VALUES (0, 'before', 1, 'ok')",
    ):
        connection.execute(statement.encode())
    bridge = make_bridge(
        newest_database.dsn, tables=("public.users",), source={"snapshot": "initial"}
    ).start()
    bridge.wait_until_logged("stream_started")
    connection.execute("INSERT INTO users VALUES (1, 'Ada', 1, 'ok')")
    connection.execute("ALTER TABLE users RENAME COLUMN name TO full_name")
    connection.execute("INSERT INTO users VALUES (2, 'Grace', 1, 'ok')")
    bridge.wait_for_events(3)
    bridge.kill()
    connection.execute("ALTER TABLE users DROP COLUMN mood")
    with connection.transaction():
        connection.execute("INSERT INTO users VALUES (3, 'Edith', 1)")
        connection.execute("ALTER TABLE users ALTER COLUMN part TYPE int8")
        connection.execute("UPDATE users SET full_name = 'E' WHERE id = 3")
    bridge.start()
    wait_until_confirmed(connection, current_wal_lsn(connection))

    events = {position(event): event for event in bridge.delivered().events()}
    rows = [event["new_values"] for event in events.values()]
    places = list(events)
    found = history(bridge, "public.users")
    print(bridge.command("schema", "history", "users"))
    assert [row.get("name", row.get("full_name")) for row in rows] == [
        "before", "Ada", "Grace", "Edith", "E"
    ]  # fmt: skip
    assert ["name" in row for row in rows] == [True, True, False, False, False]
    assert ["mood" in row for row in rows] == [True, True, True, False, False]
    assert [(v["position"], v["changes"], v["compatibility"]) for v in found] == [
        (places[0], [], None),
        (places[2], ["renamed name to full_name"], "none"),
        (places[3], ["dropped mood public.mood"], "backward"),
        (places[4], ["part from int2 to int8"], "backward"),
    ]
    assert found[0]["key"] == ["part", "id"]
    assert {c["name"]: c["type"] for c in found[0]["columns"]} == {
        "id": "int4", "name": "varchar(20)", "part": "int2", "mood": "public.mood",
        "sum": "numeric(9,2)[]",
    }  # fmt: skip
    assert bridge.terminate() == 0


def test_a_change_that_leaves_too_little_stops_before_its_first_row_is_delivered(
    newest_database: Database, make_bridge: MakeBridge
) -> None:
    connection = newest_database.connect()
    connection.execute("CREATE TABLE t (id int PRIMARY KEY, a text)")
    bridge = make_bridge(newest_database.dsn, schema_changes={"compatibility": "backward"}).start()
    bridge.wait_until_logged("stream_started")
    for statement in (
        "INSERT INTO t VALUES (1, 'x')",
        "ALTER TABLE t ADD COLUMN b int4",
        "INSERT INTO t VALUES (2, 'x', 2)",
        "ALTER TABLE t ALTER COLUMN b TYPE int8",
        "INSERT INTO t VALUES (3, 'x', 3)",
    ):
        connection.execute(statement.encode())
    bridge.wait_for_events(3)
    wait_until_confirmed(connection, current_wal_lsn(connection))
    connection.execute("ALTER TABLE t RENAME COLUMN a TO c")
    connection.execute("INSERT INTO t VALUES (4, 'x', 4)")

    assert bridge.wait() == 3
    assert "Table public.t changed at" in bridge.stderr
    assert "renamed a to c" in bridge.stderr
    assert bridge.start().wait() == 3
    assert [event["new_values"]["id"] for event in bridge.delivered().events()] == [1, 2, 3]
    assert len(history(bridge, "t")) == 3

    bridge.settings["schema_changes"] = {"compatibility": "none"}
    bridge.start()
    wait_until_confirmed(connection, current_wal_lsn(connection))
    assert [event["new_values"]["id"] for event in bridge.delivered().events()] == [1, 2, 3, 4]
    bridge.wait_until_logged("table_schema_changed")
    assert bridge.terminate() == 0


CHANGES = {
    "rename": ("ALTER TABLE t RENAME COLUMN a TO b", "new.b"),
    "drop": ("ALTER TABLE t DROP COLUMN a", "'gone'"),
    "type": ("ALTER TABLE t ALTER COLUMN a TYPE boolean USING true", "new.a"),
}


@pytest.mark.parametrize(
    "change",
    [
        "rename",
        pytest.param("drop", marks=pytest.mark.nightly),
        pytest.param("type", marks=pytest.mark.nightly),
    ],
)
def test_a_projection_goes_on_when_its_expressions_fit_the_new_form(
    newest_database: Database, make_bridge: MakeBridge, tmp_path: Path, change: str
) -> None:
    statement, expression = CHANGES[change]
    rule: dict[str, Any] = {"name": "Noted", "on": "insert", "data": {"a": "upper(new.a)"}}
    store = {"type": "sqlite", "path": str(tmp_path / "events.db")}
    connection = newest_database.connect()
    connection.execute("CREATE TABLE t (id int PRIMARY KEY, a text)")
    bridge = make_bridge(
        newest_database.dsn,
        projections=[
            {
                "name": "notes",
                "store": store,
                "aggregates": [{"table": "public.t", "events": [rule]}],
            }
        ],
    ).start()
    bridge.wait_until_logged("stream_started")
    bridge.kill()
    for number in (-1, 0, 1):
        connection.execute("INSERT INTO t VALUES (%s, 'x')", [number])
    connection.execute(statement.encode())
    connection.execute("INSERT INTO t VALUES (2)")

    assert bridge.start().wait() == 2  # with the rows of the old form stored
    assert "projections[0].aggregates[0].events[0].data.a" in bridge.stderr
    rule |= {"data": {"a": expression}, "version": 2}
    bridge.start()
    wait_until_confirmed(connection, current_wal_lsn(connection))
    assert bridge.terminate() == 0

    with closing(open_storage(StoreConfig(type="sqlite", path=Path(store["path"])))) as storage:
        events = storage.read_all(0, 10)
    assert [(event.aggregate_id, event.version) for event in events] == [
        ("-1", 1), ("0", 1), ("1", 1), ("2", 2)
    ]  # fmt: skip
    assert json.loads(events[0].data) == {"a": "X"}
