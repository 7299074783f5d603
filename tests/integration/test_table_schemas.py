"""A table has the same form whether a snapshot reads it or the stream describes it."""

from __future__ import annotations

from bridge.core.table_schema import TableSchema
from tests.fixtures.databases import Database
from tests.fixtures.recorded_changes import RecordedChanges

TABLES = {
    "plain": "id int8 PRIMARY KEY, name varchar(20), at timestamptz(3), price numeric(9,2)[]",
    "composite": "a int, b char(3), c bit(4), PRIMARY KEY (b, a)",
    "whole_rows": "a int, b int, m mood, PRIMARY KEY (b, a)",
    "by_index": "a int NOT NULL UNIQUE, b domain_text NOT NULL UNIQUE",
    "without_key": "a json, b moods",
    "nothing": "a int PRIMARY KEY",
}


def test_a_snapshot_and_the_stream_agree_on_the_form_of_a_table(database: Database) -> None:
    connection = database.connect()
    recorded = RecordedChanges(database)
    connection.execute("CREATE TYPE mood AS ENUM ('ok')")
    connection.execute("CREATE TYPE moods AS (first mood, rest mood[])")
    connection.execute("CREATE DOMAIN domain_text AS varchar(9)")
    for name, columns in TABLES.items():
        connection.execute(f"CREATE TABLE {name} ({columns})".encode())
    connection.execute("ALTER TABLE whole_rows REPLICA IDENTITY FULL")
    connection.execute("ALTER TABLE nothing REPLICA IDENTITY NOTHING")
    connection.execute("ALTER TABLE by_index REPLICA IDENTITY USING INDEX by_index_b_key")
    for name in TABLES:
        recorded.publish(name)
    for name, values in (
        ("plain", "(1)"),
        ("composite", "(1, 'x')"),
        ("whole_rows", "(1, 2)"),
        ("by_index", "(1, 'x')"),
        ("without_key", "DEFAULT"),
        ("nothing", "(1)"),
    ):
        values = "DEFAULT VALUES" if values == "DEFAULT" else f"VALUES {values}"
        connection.execute(f"INSERT INTO {name} {values}".encode())
    recorded.stop()

    streamed = {e.table: TableSchema.of(e.relation) for e in recorded.events()}
    read = {e.table: TableSchema.of(e.relation) for e in recorded.reads()}

    assert streamed.keys() == TABLES.keys()
    assert streamed == read
    assert {name: schema.key for name, schema in read.items()} == {
        "plain": ("id",),
        "composite": ("a", "b"),
        "whole_rows": ("b", "a"),
        "by_index": ("b",),
        "without_key": (),
        "nothing": ("a",),
    }
    types = [[column.type for column in read[name].columns] for name in TABLES]
    assert types == [
        ["int8", "varchar(20)", "timestamptz(3)", "numeric(9,2)[]"],
        ["int4", "bpchar(3)", "bit(4)"],
        ["int4", "int4", "public.mood"],
        ["int4", "public.domain_text"],
        ["json", "public.moods"],
        ["int4"],
    ]
