"""TOASTed values that an UPDATE leaves alone: the server does not send them again.

https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html (TupleData, "u")
"""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest

from bridge.core.events import CdcEvent
from sinks.formats.native import encode_native
from tests.fixtures.databases import Database
from tests.fixtures.recorded_changes import Mode, RecordedChanges

pytestmark = pytest.mark.postgres(ordinary="ends")

BIG = "x" * 10_000
OTHER = "y" * 10_000
DOCUMENT = json.dumps({"big": "z" * 10_000})


@pytest.fixture
def connection(database: Database) -> psycopg.Connection[Any]:
    return database.connect()


def updates(
    database: Database, connection: psycopg.Connection[Any], identity: str, *statements: str
) -> dict[str, list[CdcEvent]]:
    """Run UPDATEs of a row with three TOASTed columns; return their events by mode."""
    modes: tuple[Mode, ...] = ("text",)
    if connection.info.server_version >= 140000:
        modes = ("text", "binary")
    changes = RecordedChanges(database, modes)
    connection.execute(
        f"""
        CREATE TABLE t (id int PRIMARY KEY, n int, big text, doc jsonb, list text[]);
        ALTER TABLE t ALTER big SET STORAGE EXTERNAL;
        ALTER TABLE t ALTER doc SET STORAGE EXTERNAL;
        ALTER TABLE t ALTER list SET STORAGE EXTERNAL;
        ALTER TABLE t REPLICA IDENTITY {identity};
        """.encode()
    )
    connection.execute("INSERT INTO t VALUES (1, 1, %s, %s, %s)", [BIG, DOCUMENT, [BIG, None]])
    changes.publish("t")
    for statement in statements:
        connection.execute(statement.encode(), [])
    changes.stop()
    found = {mode: changes.events(mode) for mode in modes}
    for events in found.values():
        assert len(events) == len(statements)
    return found


def in_json(event: CdcEvent) -> dict[str, Any]:
    """Return the event as a consumer sees it, and make sure that Python sees the same."""
    parsed: dict[str, Any] = json.loads(encode_native(event))
    assert tuple(parsed["unchanged"]) == event.unchanged
    for member, values in (("new_values", event.new_values), ("old_values", event.old_values)):
        assert (parsed[member] or {}).keys() == (values or {}).keys()
    return parsed


def test_a_value_that_was_not_sent_is_named_and_absent_never_null(
    database: Database, connection: psycopg.Connection[Any]
) -> None:
    found = updates(database, connection, "DEFAULT", "UPDATE t SET n = 2")
    for (event,) in found.values():
        parsed = in_json(event)
        assert parsed["unchanged"] == ["big", "doc", "list"]
        assert parsed["new_values"] == {"id": 1, "n": 2}
        assert parsed["old_values"] is None
        assert parsed["row_id"] == "1"


def test_a_change_of_the_key_does_not_send_them_either(
    database: Database, connection: psycopg.Connection[Any]
) -> None:
    found = updates(database, connection, "DEFAULT", "UPDATE t SET id = 2")
    for (event,) in found.values():
        parsed = in_json(event)
        assert parsed["unchanged"] == ["big", "doc", "list"]
        assert parsed["new_values"] == {"id": 2, "n": 1}
        assert parsed["old_values"] == {"id": 1}


def test_values_that_changed_are_sent(
    database: Database, connection: psycopg.Connection[Any]
) -> None:
    found = updates(
        database,
        connection,
        "DEFAULT",
        f"UPDATE t SET big = '{OTHER}'",
        "UPDATE t SET big = NULL, doc = 'null'",
        "UPDATE t SET n = 3",
    )
    for events in found.values():
        other, null, after = map(in_json, events)
        assert other["new_values"] == {"id": 1, "n": 1, "big": OTHER}
        assert other["unchanged"] == ["doc", "list"]
        assert null["new_values"] == {"id": 1, "n": 1, "big": None, "doc": None}
        assert null["unchanged"] == ["list"]
        assert null["json_nulls"] == ["new_values.doc"]
        assert after["new_values"] == {"id": 1, "n": 3, "big": None, "doc": None}


def test_the_same_value_written_again_is_there_or_named(
    database: Database, connection: psycopg.Connection[Any]
) -> None:
    found = updates(
        database,
        connection,
        "DEFAULT",
        f"UPDATE t SET big = '{BIG}'",
        "UPDATE t SET big = big, n = 2",
    )
    for events in found.values():
        literal, itself = map(in_json, events)
        assert literal["new_values"] == {"id": 1, "n": 1, "big": BIG}
        assert itself["new_values"] == {"id": 1, "n": 2}
        assert itself["unchanged"] == ["big", "doc", "list"]


def test_under_full_identity_the_old_row_gives_what_was_not_sent(
    database: Database, connection: psycopg.Connection[Any]
) -> None:
    whole = {"id": 1, "n": 1, "big": BIG, "doc": json.loads(DOCUMENT), "list": [BIG, None]}
    found = updates(
        database,
        connection,
        "FULL",
        "UPDATE t SET n = 2",
        "UPDATE t SET id = 2, big = NULL",
        f"UPDATE t SET big = '{OTHER}', doc = 'null'",
        "UPDATE t SET n = 3",
        "DELETE FROM t",
    )
    rows = [
        whole,
        {**whole, "n": 2},
        {**whole, "n": 2, "id": 2, "big": None},
        {**whole, "n": 2, "id": 2, "big": OTHER, "doc": None},
        {**whole, "n": 3, "id": 2, "big": OTHER, "doc": None},
    ]
    for events in found.values():
        for event, old, new in zip(events, rows, [*rows[1:], None], strict=True):
            parsed = in_json(event)
            assert parsed["unchanged"] == []
            assert parsed["old_values"] == old
            assert parsed["new_values"] == new
        assert in_json(events[3])["json_nulls"] == ["new_values.doc", "old_values.doc"]


def test_a_key_that_is_toasted_is_in_the_event(
    database: Database, connection: psycopg.Connection[Any]
) -> None:
    # An index takes no more than a third of a page, which is just enough to make a row too wide.
    changes = RecordedChanges(database)
    key = "".join(chr(33 + i * 7 % 90) for i in range(2500))
    connection.execute(
        """
        CREATE TABLE t (id text PRIMARY KEY, n int);
        ALTER TABLE t ALTER id SET STORAGE EXTERNAL;
        """
    )
    changes.publish("t")
    connection.execute("INSERT INTO t VALUES (%s, 1)", [key])
    connection.execute("UPDATE t SET n = 2")
    connection.execute("UPDATE t SET id = 'short'")
    connection.execute("DELETE FROM t")
    changes.stop()
    inserted, updated, rekeyed, deleted = changes.events()
    assert inserted.row_id == key
    assert updated.unchanged == ("id",)
    assert updated.row_id == key
    assert rekeyed.row_id == "short"
    assert rekeyed.old_values == {"id": key}
    assert deleted.row_id == "short"
