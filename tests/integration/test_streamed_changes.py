"""What real servers make of changes that are more than one row of one table."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from tests.fixtures.databases import Database
from tests.fixtures.stream_reader import Reader, open_stream


def create_slot(connection: psycopg.Connection[Any]) -> None:
    connection.execute("SELECT pg_create_logical_replication_slot('s', 'pgoutput')")


def read(database: Database, count: int) -> list[Any]:
    """Return so many events; an event too many shows as the last of them being another one."""
    with open_stream(database.dsn) as stream:
        return Reader(stream).until(count)


def test_a_prepared_transaction_comes_once_and_when_it_commits(newest_database: Database) -> None:
    connection = newest_database.connect()
    connection.execute("CREATE TABLE t (id int PRIMARY KEY)")
    connection.execute("CREATE PUBLICATION p FOR TABLE t")
    create_slot(connection)
    for key, name in ((1, "kept"), (2, "dropped")):
        connection.execute("BEGIN")
        connection.execute("INSERT INTO t VALUES (%s)", [key])
        connection.execute(f"PREPARE TRANSACTION '{newest_database.name}_{name}'")
    connection.execute("INSERT INTO t VALUES (3)")
    connection.execute(f"COMMIT PREPARED '{newest_database.name}_kept'")
    connection.execute(f"ROLLBACK PREPARED '{newest_database.name}_dropped'")
    connection.execute("INSERT INTO t VALUES (4)")

    events = read(newest_database, 3)

    assert [event.row_id for event in events] == ["3", "1", "4"]
    assert [event.position for event in events] == sorted(event.position for event in events)


def test_a_truncate_names_every_table_that_it_emptied(database: Database) -> None:
    connection = database.connect()
    connection.execute("CREATE TABLE a (id int PRIMARY KEY)")
    connection.execute("CREATE TABLE b (id int PRIMARY KEY REFERENCES a)")
    connection.execute("CREATE TABLE unpublished (id int PRIMARY KEY REFERENCES a)")
    connection.execute("CREATE PUBLICATION p FOR TABLE a, b")
    create_slot(connection)
    connection.execute("TRUNCATE a RESTART IDENTITY CASCADE")

    events = read(database, 2)

    assert {(event.operation, event.table) for event in events} == {
        ("Truncate", "a"),
        ("Truncate", "b"),
    }
    assert [event.options for event in events] == [("CASCADE", "RESTART IDENTITY")] * 2
    assert len({event.commit_lsn for event in events}) == 1
    assert [event.ordinal for event in events] == [0, 1]


@pytest.mark.postgres(min=15)  # older ones take no note of it while the stream is open
def test_partitions_that_come_and_go_are_sent_under_their_root(database: Database) -> None:
    connection = database.connect()
    connection.execute("CREATE TABLE m (id int PRIMARY KEY) PARTITION BY RANGE (id)")
    connection.execute("CREATE TABLE m1 PARTITION OF m FOR VALUES FROM (0) TO (10)")
    connection.execute("CREATE TABLE m2 (id int PRIMARY KEY)")
    connection.execute("CREATE PUBLICATION p FOR TABLE m WITH (publish_via_partition_root)")
    create_slot(connection)
    connection.execute("INSERT INTO m VALUES (1)")
    connection.execute("INSERT INTO m2 VALUES (11)")  # no partition yet
    connection.execute("ALTER TABLE m ATTACH PARTITION m2 FOR VALUES FROM (10) TO (20)")
    connection.execute("UPDATE m SET id = 12 WHERE id = 1")
    connection.execute("TRUNCATE m1")  # the server says nothing of a single partition
    connection.execute("ALTER TABLE m DETACH PARTITION m2")
    connection.execute("INSERT INTO m2 VALUES (13)")  # no partition any more
    connection.execute("INSERT INTO m VALUES (2)")
    connection.execute("TRUNCATE m")

    events = read(database, 5)

    assert [(event.operation, event.table, event.row_id) for event in events] == [
        ("Insert", "m", "1"),
        ("Delete", "m", "1"),
        ("Insert", "m", "12"),
        ("Insert", "m", "2"),
        ("Truncate", "m", None),
    ]


@pytest.mark.postgres(min=15)
def test_a_row_that_leaves_a_row_filter_is_deleted_and_one_that_enters_it_is_inserted(
    newest_database: Database,
) -> None:
    connection = newest_database.connect()
    connection.execute("CREATE TABLE t (id int PRIMARY KEY, open bool)")
    connection.execute("ALTER TABLE t REPLICA IDENTITY FULL")
    connection.execute("CREATE PUBLICATION p FOR TABLE t WHERE (open)")
    create_slot(connection)
    connection.execute("INSERT INTO t VALUES (1, true), (2, false)")
    connection.execute("UPDATE t SET open = NOT open")

    events = read(newest_database, 3)

    assert [(e.operation, (e.new_values or e.old_values)["id"]) for e in events] == [
        ("Insert", 1),
        ("Delete", 1),
        ("Insert", 2),
    ]
