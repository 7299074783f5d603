"""A consumer of each format rebuilds a table from nothing but its events: new and changed rows,
changed keys, TOASTed values that were not sent again, deletes and TRUNCATE.
"""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable
from typing import Any, Literal

import pytest

from bridge.core.events import CdcEvent
from sinks.formats import FormatConfig, make_format
from sinks.formats.debezium import UNAVAILABLE
from sinks.formats.flat import MEMBERS
from sinks.key_change import split_key_change
from tests.fixtures.databases import Database
from tests.fixtures.recorded_changes import RecordedChanges

pytestmark = pytest.mark.postgres(ordinary="ends")

Row = dict[str, Any]
Table = dict[str, Row]
Consumer = Callable[[Table, Row], None]

STATEMENTS = 300
UNAVAILABLE_BYTES = base64.b64encode(UNAVAILABLE.encode()).decode()


def changes_of(database: Database, identity: str, seed: int) -> tuple[list[CdcEvent], Table]:
    """Change a table at random; return its events, and its rows in the end."""
    choose = random.Random(seed)
    connection = database.connect()
    changes = RecordedChanges(database)
    connection.execute(
        f"""
        CREATE TABLE t (id int PRIMARY KEY, price numeric, big text, doc jsonb, raw bytea);
        ALTER TABLE t ALTER big SET STORAGE EXTERNAL, ALTER doc SET STORAGE EXTERNAL,
            ALTER raw SET STORAGE EXTERNAL, REPLICA IDENTITY {identity};
        """.encode()
    )
    changes.publish("t")

    def row() -> list[Any]:
        size = choose.choice([0, 3, 5000])
        return [
            choose.choice([None, "1.50", "NaN", "123456789012345678901234567890.1"]),
            choose.choice([None, "ü" * size]),
            choose.choice([None, "null", json.dumps({"a": ["x" * size, None]})]),
            choose.choice([None, bytes([0, 255]) * size]),
        ]

    connection.execute("INSERT INTO t (id, big) VALUES (90, %s), (91, NULL)", ["x" * 5000])
    connection.execute("UPDATE t SET id = 92 WHERE id = 90")
    connection.execute("DELETE FROM t WHERE id = 91")
    for _ in range(STATEMENTS):
        key, other = choose.randrange(20), choose.randrange(20)
        match choose.choices(["insert", "price", "row", "key", "delete", "truncate"],
                             [40, 20, 10, 15, 14, 1])[0]:  # fmt: skip
            case "insert":
                connection.execute(
                    "INSERT INTO t VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
                    [key, *row()],
                )
            case "price":
                connection.execute("UPDATE t SET price = id + %s WHERE id = %s", [other, key])
            case "row":
                connection.execute(
                    "UPDATE t SET (price, big, doc, raw) = (%s, %s, %s, %s) WHERE id = %s",
                    [*row(), key],
                )
            case "key":
                connection.execute(
                    "UPDATE t SET id = %(new)s WHERE id = %(old)s"
                    " AND NOT EXISTS (SELECT FROM t WHERE id = %(new)s)",
                    {"new": other, "old": key},
                )
            case "delete":
                connection.execute("DELETE FROM t WHERE id = %s", [key])
            case "truncate":
                connection.execute("TRUNCATE t")
    changes.stop()
    rows = connection.execute(
        "SELECT id, price::text, big, doc::text, translate(encode(raw, 'base64'), E'\\n', '')"
        " FROM t"
    ).fetchall()
    names = ("id", "price", "big", "doc", "raw")
    return changes.events(), {str(found[0]): dict(zip(names, found, strict=True)) for found in rows}


def apply_debezium(table: Table, event: Row) -> None:
    if event["op"] == "t":
        table.clear()
        return
    before, after = event["before"], event["after"]
    known = table.pop(str((before or after)["id"]), {})
    if after is not None:
        missing = (UNAVAILABLE, UNAVAILABLE_BYTES)
        table[str(after["id"])] = {
            name: known[name] if value in missing else value for name, value in after.items()
        }


def apply_cloudevent(table: Table, event: Row) -> None:
    data = event["data"]
    if event["operation"] == "Truncate":
        table.clear()
        return
    before, after = data["before"], data["after"]
    known = table.pop(str((before or after)["id"]), {})
    if after is not None:
        nulls = {name: "null" for name in ("doc",) if f"after.{name}" in data.get("json_nulls", [])}
        table[str(after["id"])] = known | plain(after) | nulls


def apply_flat(table: Table, event: Row) -> None:
    if event["__op"] == "t":
        table.clear()
        return
    row = {name: value for name, value in event.items() if name not in MEMBERS}
    known = table.pop(event.get("__old_row_id", str(row["id"])), {})
    if event["__deleted"] == "false":
        nulls = dict.fromkeys(event.get("__json_nulls", []), "null")
        table[str(row["id"])] = known | plain(row) | nulls


def plain(row: Row) -> Row:
    """Return a row with documents and bytes in the form of ``debezium``."""
    row = dict(row)
    if row.get("doc") is not None:
        row["doc"] = json.dumps(row["doc"], ensure_ascii=False)
    if row.get("raw") is not None:
        row["raw"] = base64.b64encode(bytes.fromhex(row["raw"][2:])).decode()
    return row


CONSUMERS: dict[Literal["debezium", "cloudevents", "flat"], Consumer] = {
    "debezium": apply_debezium,
    "cloudevents": apply_cloudevent,
    "flat": apply_flat,
}


@pytest.mark.parametrize("identity", ["DEFAULT", "FULL"])
def test_every_format_rebuilds_the_table(database: Database, identity: str) -> None:
    seed = random.randrange(1 << 32)
    events, rows = changes_of(database, identity, seed)
    kinds = {str(event.operation) for event in events}
    splits = sum(split_key_change(event) is not None for event in events)
    print(f"seed {seed}: {len(events)} events, {splits} changes of the key, {len(rows)} rows left")
    assert kinds >= {"Insert", "Update", "Delete"}
    assert splits > 0
    for name, consume in CONSUMERS.items():
        fmt = make_format(FormatConfig(format=name))
        table: Table = {}
        for event in events:
            consume(table, json.loads(fmt.encode(event)))
        assert table == rows, f"{name}, seed {seed}"


def test_a_table_by_key_is_rebuilt_from_split_changes_of_the_key(database: Database) -> None:
    """As a compacted topic keeps it: the last event of each key, none after a delete."""
    seed = random.randrange(1 << 32)
    events, rows = changes_of(database, "FULL", seed)
    print(f"seed {seed}: {len(events)} events, {len(rows)} rows left")
    debezium = make_format(FormatConfig(format="debezium"))
    kept: dict[str | None, Row] = {}
    for event in events:
        if event.operation == "Truncate":
            kept.clear()
        for part in split_key_change(event) or (event,):
            after = json.loads(debezium.encode(part)).get("after")
            if after is None:
                kept.pop(debezium.key(part), None)
            else:
                kept[debezium.key(part)] = after
    assert {str(row["id"]): row for row in kept.values()} == rows, f"seed {seed}"
    assert all(json.loads(key or "")["id"] == row["id"] for key, row in kept.items())
