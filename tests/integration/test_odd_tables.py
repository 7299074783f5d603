"""Tables that are made in unusual ways: their rows in the stream and in the snapshot."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from psycopg import sql

from bridge.core.events import CdcEvent, Operation
from sinks.formats.native import encode_native
from tests.fixtures.databases import Database
from tests.fixtures.raw_json import members, parse_strictly
from tests.fixtures.recorded_changes import Mode, RecordedChanges

pytestmark = pytest.mark.postgres(ordinary="ends")

NAMES = (
    'quo"te', "it's", "{brace", "}", "{0}", "new\nline", "ta\tb", "back\\slash", "\\N{BULLET}",
    "per%s cent", "Größe 世界", " ", "id ", "null", "v0", "event", "\u2028", "é" * 31, "x" * 63,
    "\x7f\x01", "<script>", "__class__", "select",
)  # fmt: skip


@pytest.fixture
def connection(database: Database) -> psycopg.Connection[Any]:
    return database.connect()


@pytest.fixture
def changes(database: Database, connection: psycopg.Connection[Any]) -> RecordedChanges:
    modes: tuple[Mode, ...] = ("text",)
    if connection.info.server_version >= 140000:
        modes = ("text", "binary")
    return RecordedChanges(database, modes)


def streamed(changes: RecordedChanges) -> list[CdcEvent]:
    """Return the events of the stream, which must be the same in both modes."""
    changes.stop()
    events = changes.events("text")
    if "binary" in changes.modes:
        lines = [encode_native(event) for event in changes.events("binary")]
        assert lines == [encode_native(event) for event in events]
    return events


def values(event: CdcEvent, member: str = "new_values") -> Any:
    """Return a row as it is in JSON."""
    return parse_strictly(members(encode_native(event))[member])


def test_names_may_hold_any_character(
    connection: psycopg.Connection[Any], changes: RecordedChanges
) -> None:
    table = '"{t}" \\ it\'s\n%s'
    columns = sql.SQL(", ").join(sql.SQL("{} text").format(sql.Identifier(n)) for n in NAMES)
    connection.execute(
        sql.SQL("CREATE TABLE {} (id int PRIMARY KEY, {})").format(sql.Identifier(table), columns)
    )
    changes.publish(table)
    row = {"id": "1", **{name: f"of {name}" for name in NAMES}}
    cells = sql.SQL(", ").join(map(sql.Literal, row.values()))
    connection.execute(sql.SQL("INSERT INTO {} VALUES ({})").format(sql.Identifier(table), cells))
    events = [*streamed(changes), *changes.reads()]
    assert [event.operation for event in events] == [Operation.INSERT, Operation.READ]
    for event in events:
        assert values(event) == row
        assert event.new_values == {**row, "id": 1}
        assert event.table == table
        assert parse_strictly(encode_native(event))["table"] == table


def test_a_schema_may_have_any_name(
    connection: psycopg.Connection[Any], changes: RecordedChanges
) -> None:
    connection.execute(
        """
        CREATE TYPE "a.b" AS ENUM ('x');
        CREATE DOMAIN "d""d" AS "a.b"[];
        CREATE TABLE t (a "a.b", d "d""d");
        """
    )
    changes.publish("t")
    connection.execute("INSERT INTO t VALUES ('x', '{x,NULL}')")
    for event in (*streamed(changes), *changes.reads()):
        assert values(event) == {"a": "x", "d": ["x", None]}


def test_dropped_and_added_columns_are_as_in_the_table_of_the_moment(
    connection: psycopg.Connection[Any], changes: RecordedChanges
) -> None:
    connection.execute("CREATE TABLE t (gone text, id int PRIMARY KEY, also_gone numeric)")
    changes.publish("t")
    for statement in (
        "INSERT INTO t VALUES ('a', 1, 1.5)",
        "ALTER TABLE t DROP gone",
        "INSERT INTO t VALUES (2, 2.5)",
        "ALTER TABLE t ADD late text DEFAULT 'later'",
        "UPDATE t SET id = 3 WHERE id = 1",
        "ALTER TABLE t DROP also_gone",
        "ALTER TABLE t RENAME late TO renamed",
        "ALTER TABLE t ALTER renamed DROP DEFAULT",
        "ALTER TABLE t ALTER renamed TYPE text[] USING ARRAY[renamed]",
        "INSERT INTO t VALUES (4, '{}')",
    ):
        connection.execute(statement.encode())
    events = streamed(changes)
    assert [values(event) for event in events] == [
        {"gone": "a", "id": "1", "also_gone": "1.5"},
        {"id": "2", "also_gone": "2.5"},
        {"id": "3", "also_gone": "1.5", "late": "later"},
        {"id": "4", "renamed": []},
    ]
    assert [values(event) for event in changes.reads()] == [
        {"id": "2", "renamed": ["later"]},
        {"id": "3", "renamed": ["later"]},
        {"id": "4", "renamed": []},
    ]


def test_a_type_that_was_made_anew_is_read(
    connection: psycopg.Connection[Any], changes: RecordedChanges
) -> None:
    connection.execute(
        "CREATE TYPE mood AS ENUM ('sad'); CREATE TABLE t (id int, m mood, ms mood[])"
    )
    changes.publish("t")
    connection.execute("INSERT INTO t VALUES (1, 'sad', '{sad}')")
    connection.execute("ALTER TABLE t DROP m, DROP ms; DROP TYPE mood")
    connection.execute("CREATE TYPE mood AS ENUM ('happy')")
    connection.execute("ALTER TABLE t ADD m mood, ADD ms mood[]")
    connection.execute("INSERT INTO t VALUES (2, 'happy', '{happy}')")
    changes.stop()
    first, second = changes.events("text")
    # The type of the first row is not in the catalog any more: its array is its text.
    assert values(first) == {"id": "1", "m": "sad", "ms": "{sad}"}
    assert values(second) == {"id": "2", "m": "happy", "ms": ["happy"]}


def test_a_table_without_columns_has_events(
    connection: psycopg.Connection[Any], changes: RecordedChanges
) -> None:
    connection.execute("CREATE TABLE t ()")
    changes.publish("t")
    connection.execute("INSERT INTO t DEFAULT VALUES")
    connection.execute("INSERT INTO t DEFAULT VALUES")
    events = [*streamed(changes), *changes.reads()]
    assert [(event.operation, values(event), event.row_id) for event in events] == [
        (Operation.INSERT, {}, None),
        (Operation.INSERT, {}, None),
        (Operation.READ, {}, None),
        (Operation.READ, {}, None),
    ]


def test_a_table_may_have_as_many_columns_as_the_server_allows(
    connection: psycopg.Connection[Any], changes: RecordedChanges
) -> None:
    count = 1600
    columns = ", ".join(f"c{i} {'json' if i % 100 == 0 else 'bool'}" for i in range(count))
    connection.execute(f"CREATE TABLE t ({columns})".encode())
    connection.execute("ALTER TABLE t REPLICA IDENTITY FULL")
    changes.publish("t")
    row = {f"c{i}": {"n": str(i)} if i % 100 == 0 else i % 3 == 0 for i in range(count)}
    cells = ", ".join(f"'{{\"n\":{i}}}'" if i % 100 == 0 else str(i % 3 == 0) for i in range(count))
    connection.execute(f"INSERT INTO t VALUES ({cells})".encode())
    connection.execute("UPDATE t SET c1599 = NULL")
    connection.execute("DELETE FROM t")
    connection.execute("INSERT INTO t DEFAULT VALUES")
    inserted, updated, deleted, empty = streamed(changes)
    changed = {**row, "c1599": None}
    assert values(inserted) == row
    assert (values(updated, "old_values"), values(updated)) == (row, changed)
    assert values(deleted, "old_values") == changed
    nothing = dict.fromkeys(row)
    assert values(empty) == nothing
    assert [values(event) for event in changes.reads()] == [nothing]


def test_generated_columns_are_left_out_everywhere(
    connection: psycopg.Connection[Any], changes: RecordedChanges
) -> None:
    connection.execute(
        """
        CREATE TABLE t (a int, g int GENERATED ALWAYS AS (a * 2) STORED,
                        id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, b text);
        """
    )
    changes.publish("t")
    connection.execute("INSERT INTO t (a, b) VALUES (1, 'x')")
    connection.execute("UPDATE t SET a = 2")
    connection.execute("UPDATE t SET id = DEFAULT")
    connection.execute("DELETE FROM t")
    connection.execute("INSERT INTO t (a, b) VALUES (3, 'y')")
    events = streamed(changes)
    assert [(event.new_values, event.old_values) for event in events] == [
        ({"a": 1, "id": 1, "b": "x"}, None),
        ({"a": 2, "id": 1, "b": "x"}, None),
        ({"a": 2, "id": 2, "b": "x"}, {"id": 1}),
        (None, {"id": 2}),
        ({"a": 3, "id": 3, "b": "y"}, None),
    ]
    assert [event.new_values for event in changes.reads()] == [{"a": 3, "id": 3, "b": "y"}]


@pytest.mark.postgres(min=18)
def test_generated_columns_that_are_stored_are_sent_where_the_publication_says_so(
    connection: psycopg.Connection[Any], changes: RecordedChanges
) -> None:
    connection.execute(
        "CREATE TABLE t (a int, s int GENERATED ALWAYS AS (a * 2) STORED,"
        " v int GENERATED ALWAYS AS (a * 3) VIRTUAL)"
    )
    changes.publish("t")
    for publication in changes.publications.values():
        statement = sql.SQL("ALTER PUBLICATION {} SET (publish_generated_columns = stored)")
        connection.execute(statement.format(sql.Identifier(publication)))
    connection.execute("INSERT INTO t (a) VALUES (1)")
    for event in (*streamed(changes), *changes.reads()):
        assert event.new_values == {"a": 1, "s": 2}
