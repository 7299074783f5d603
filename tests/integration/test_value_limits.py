"""The limits that docs/values.md tells of: what no server reads back, and what only text can do."""

from __future__ import annotations

import psycopg
import pytest

from bridge.core.errors import EnvironmentProblem
from tests.fixtures.databases import Database
from tests.fixtures.recorded_changes import RecordedChanges

pytestmark = pytest.mark.postgres(ordinary="all")


@pytest.mark.postgres(min=15)
def test_the_smallest_interval_is_the_text_that_the_server_cannot_read_itself(
    database: Database,
) -> None:
    connection = database.connect()
    changes = RecordedChanges(database, ("text", "binary"))
    connection.execute("CREATE TABLE t (i interval)")
    changes.publish("t")
    connection.execute("INSERT INTO t VALUES ('-9223372036854775808 microseconds')")
    changes.stop()

    for events in (changes.events("text"), changes.events("binary"), changes.reads()):
        assert [event.new_values for event in events] == [{"i": "-2562047788:00:54.775808"}]
    with pytest.raises(psycopg.DataError):
        connection.execute("SELECT CAST('-2562047788:00:54.775808' AS interval)")


@pytest.mark.postgres(max=14)
def test_a_char_beyond_ascii_is_what_newer_servers_print(database: Database) -> None:
    connection = database.connect()
    has_binary = connection.info.server_version >= 140000
    changes = RecordedChanges(database, ("text", "binary") if has_binary else ("text",))
    connection.execute('CREATE TABLE t (id int, c "char", d "char", e "char")')
    connection.execute("ALTER TABLE t REPLICA IDENTITY FULL")
    changes.publish("t")
    connection.execute("INSERT INTO t VALUES (1, 'é', 'a', '')")
    connection.execute("UPDATE t SET id = 2")
    changes.stop()

    row = {"id": 1, "c": "\\303", "d": "a", "e": ""}
    changed = {**row, "id": 2}
    for mode in ("text", "binary") if has_binary else ("text",):
        inserted, updated = changes.events(mode)
        assert (inserted.new_values, inserted.old_values) == (row, None)
        assert (updated.new_values, updated.old_values) == (changed, row)
    assert [event.new_values for event in changes.reads()] == [changed]


@pytest.mark.postgres(min=14)
@pytest.mark.parametrize(
    ("type_name", "value"), [("regclass", "t"), ("regtype[]", "{text}"), ("regrole", "postgres")]
)
def test_names_of_objects_need_text_mode(database: Database, type_name: str, value: str) -> None:
    connection = database.connect()
    changes = RecordedChanges(database, ("text", "binary"))
    connection.execute(f"CREATE TABLE t (r {type_name})".encode())
    changes.publish("t")
    connection.execute("INSERT INTO t VALUES (%s)", [value])
    changes.stop()
    assert len(changes.events("text")) == 1
    with pytest.raises(EnvironmentProblem, match=r"pg_catalog\.reg") as caught:
        changes.events("binary")
    assert "binary: false" in caught.value.remedy


@pytest.mark.postgres(min=14)
def test_the_server_itself_ends_a_binary_stream_at_an_array_without_a_binary_format(
    database: Database,
) -> None:
    connection = database.connect()
    changes = RecordedChanges(database, ("text", "binary"))
    connection.execute("CREATE TABLE t (one aclitem, many aclitem[])")
    changes.publish("t")
    connection.execute("INSERT INTO t VALUES ('=r/postgres', NULL)")
    connection.execute("INSERT INTO t VALUES (NULL, '{=r/postgres}')")
    with pytest.raises(EnvironmentProblem, match="no binary output function available"):
        changes.stop()
    assert len(changes.events("text")) == 2
