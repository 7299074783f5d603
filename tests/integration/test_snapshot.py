"""The snapshot: what is in it, and that it meets the stream exactly."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg
import pytest

from bridge.core.errors import EnvironmentProblem, Transient
from bridge.core.events import CdcEvent, Operation, Position, Source
from bridge.core.values import ValueStyle
from bridge.postgres.connection import Database as SourceDatabase
from bridge.postgres.slots import ReplicationConfig, ReplicationSlotManager
from bridge.postgres.snapshot import Snapshot
from tests.fixtures.databases import Database

pytestmark = pytest.mark.postgres(ordinary="ends")

BASE_LSN = 0x1000
SLOT_LSN = 0x2000


@contextmanager
def snapshot_of(dsn: str, name: str | None = None) -> Iterator[Snapshot]:
    """Read in a snapshot by its name; without one, in that of a moment ago."""
    with closing(psycopg.connect(dsn)) as exporter:
        if name is None:
            (name,) = exporter.execute("SELECT pg_export_snapshot()").fetchone() or ("",)
        snapshot = import_snapshot(dsn, name)
    with closing(snapshot):
        yield snapshot


def import_snapshot(dsn: str, name: str) -> Snapshot:
    return Snapshot(
        SourceDatabase(dsn),
        name,
        source=Source("7", "test"),
        style=ValueStyle(),
        lsn=SLOT_LSN,
        base_lsn=BASE_LSN,
        timestamp=1_000_000,
    )


def read(dsn: str, publication: str = "p") -> list[CdcEvent]:
    with snapshot_of(dsn) as snapshot:
        tables = snapshot.tables(publication)
        return [event for batch in snapshot.batches(tables) for event in batch.events]


def rows(events: list[CdcEvent]) -> list[dict[str, Any]]:
    return [dict(event.new_values or {}) for event in events]


def test_rows_are_read_events_with_positions_before_the_stream(database: Database) -> None:
    connection = database.connect()
    connection.execute("CREATE TABLE a (id int PRIMARY KEY, name text)")
    connection.execute("CREATE TABLE b (x int, y int, PRIMARY KEY (x, y))")
    connection.execute(
        "INSERT INTO a VALUES (1, 'Ada'), (2, E'tab\\tback\\\\slash\\nline'), (3, NULL)"
    )
    connection.execute("INSERT INTO b VALUES (7, 8)")
    connection.execute("CREATE PUBLICATION p FOR TABLE a, b")
    events = read(database.dsn)
    assert {event.operation for event in events} == {Operation.READ}
    assert [event.position for event in events] == [Position(BASE_LSN, i) for i in range(4)]
    assert {event.lsn for event in events} == {SLOT_LSN}
    assert rows(events) == [
        {"id": 1, "name": "Ada"},
        {"id": 2, "name": "tab\tback\\slash\nline"},
        {"id": 3, "name": None},
        {"x": 7, "y": 8},
    ]
    assert [event.row_id for event in events] == ["1", "2", "3", '["7","8"]']
    assert events[0].transaction_id is None


def test_many_rows_come_in_batches(newest_database: Database) -> None:
    connection = newest_database.connect()
    connection.execute("CREATE TABLE a (id int PRIMARY KEY)")
    connection.execute("INSERT INTO a SELECT generate_series(1, 5000)")
    connection.execute("CREATE PUBLICATION p FOR TABLE a")
    with snapshot_of(newest_database.dsn) as snapshot:
        batches = list(snapshot.batches(snapshot.tables("p")))
    assert [len(batch) for batch in batches] == [2000, 2000, 1000]
    assert all(batch.size_bytes > 0 for batch in batches)


def test_partitions_are_read_once_through_their_root(database: Database) -> None:
    connection = database.connect()
    connection.execute("CREATE TABLE m (id int PRIMARY KEY) PARTITION BY RANGE (id)")
    connection.execute("CREATE TABLE m1 PARTITION OF m FOR VALUES FROM (0) TO (10)")
    connection.execute("CREATE TABLE m2 PARTITION OF m FOR VALUES FROM (10) TO (20)")
    connection.execute("INSERT INTO m VALUES (1), (11)")
    connection.execute("CREATE PUBLICATION p FOR TABLE m WITH (publish_via_partition_root)")
    connection.execute("CREATE PUBLICATION leaves FOR TABLE m")
    assert [(e.table, e.row_id) for e in read(database.dsn)] == [("m", "1"), ("m", "11")]
    leaves = read(database.dsn, "leaves")
    assert [(e.table, e.row_id) for e in leaves] == [("m1", "1"), ("m2", "11")]


@pytest.mark.postgres(min=15)
def test_row_filters_and_column_lists_apply(database: Database) -> None:
    connection = database.connect()
    connection.execute("CREATE TABLE a (id int PRIMARY KEY, secret text, kind text)")
    connection.execute("INSERT INTO a VALUES (1, 'x', 'new'), (2, 'y', 'old')")
    connection.execute("ALTER TABLE a REPLICA IDENTITY DEFAULT")
    connection.execute("CREATE PUBLICATION p FOR TABLE a (id, kind) WHERE (id > 1)")
    assert rows(read(database.dsn)) == [{"id": 2, "kind": "old"}]


def test_generated_columns_are_left_out_as_in_the_stream(database: Database) -> None:
    connection = database.connect()
    connection.execute(
        "CREATE TABLE a (id int PRIMARY KEY, twice int GENERATED ALWAYS AS (id * 2) STORED)"
    )
    connection.execute("INSERT INTO a VALUES (1)")
    connection.execute("CREATE PUBLICATION p FOR TABLE a")
    assert rows(read(database.dsn)) == [{"id": 1}]


def test_the_key_of_a_full_identity_is_the_primary_key(newest_database: Database) -> None:
    connection = newest_database.connect()
    connection.execute("CREATE TABLE a (id int PRIMARY KEY, name text)")
    connection.execute("ALTER TABLE a REPLICA IDENTITY FULL")
    connection.execute("CREATE TABLE b (v text)")
    connection.execute("INSERT INTO a VALUES (1, 'Ada')")
    connection.execute("INSERT INTO b VALUES ('x')")
    connection.execute("CREATE PUBLICATION p FOR TABLE a, b")
    assert [event.row_id for event in read(newest_database.dsn)] == ["1", None]


def test_a_table_that_may_not_be_read_is_named(newest_database: Database) -> None:
    connection = newest_database.connect()
    role = f"reader_{newest_database.name}"
    connection.execute("CREATE TABLE hidden (id int PRIMARY KEY)")
    connection.execute("CREATE PUBLICATION p FOR TABLE hidden")
    connection.execute(f'CREATE ROLE "{role}" LOGIN')
    try:
        dsn = newest_database.server.dsn(dbname=newest_database.name, user=role)
        with pytest.raises(EnvironmentProblem, match=r"public\.hidden"):
            read(dsn)
    finally:
        connection.execute(f'DROP ROLE "{role}"')


def test_a_snapshot_whose_session_ends_is_an_outage(newest_database: Database) -> None:
    connection = newest_database.connect()
    connection.execute("CREATE TABLE a (id int PRIMARY KEY, filler text)")
    connection.execute("INSERT INTO a SELECT i, repeat('x', 900) FROM generate_series(1, 20000) i")
    connection.execute("CREATE PUBLICATION p FOR TABLE a")

    def read_and_lose() -> None:
        with snapshot_of(newest_database.dsn) as snapshot:
            batches = snapshot.batches(snapshot.tables("p"))
            next(batches)
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            for _ in batches:
                pass

    with pytest.raises(Transient):
        read_and_lose()


def test_the_exported_snapshot_holds_what_the_stream_will_not_send(database: Database) -> None:
    """A row is either in the snapshot or in the stream, whatever commits around the creation."""
    connection = database.connect()
    connection.execute("CREATE TABLE a (id int PRIMARY KEY)")
    connection.execute("INSERT INTO a SELECT generate_series(1, 10)")
    connection.execute("CREATE PUBLICATION p FOR TABLE a")
    source = SourceDatabase(database.dsn)
    manager = ReplicationSlotManager(ReplicationConfig(max_slots=50), source)
    replication = source.connect_replication()
    with closing(replication):
        created = manager.create_slot_with_snapshot(replication, "s")
        connection.execute("INSERT INTO a VALUES (11)")
        connection.execute("DELETE FROM a WHERE id = 1")
        with snapshot_of(database.dsn, created.snapshot_name) as snapshot:
            replication.close()  # the snapshot was imported: its exporter is not needed any more
            events = [
                event for batch in snapshot.batches(snapshot.tables("p")) for event in batch.events
            ]
    assert [event.row_id for event in events] == [str(i) for i in range(1, 11)]
    slot = manager.get_slot("s")
    assert slot is not None
    assert slot.restart_lsn is not None
    assert slot.restart_lsn < created.consistent_point


def test_a_snapshot_that_is_gone_is_named(newest_database: Database) -> None:
    with (
        pytest.raises((EnvironmentProblem, Transient)),
        snapshot_of(newest_database.dsn, "00000003-00000002-1"),
    ):
        pass
