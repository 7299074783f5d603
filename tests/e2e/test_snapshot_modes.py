"""The three ways to treat rows that exist already, and a promoted standby."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest

from bridge.core.errors import EXIT_ENVIRONMENT
from tests.fixtures.bridge_process import SLOT, BridgeProcess
from tests.fixtures.databases import Database

MakeBridge = Callable[..., BridgeProcess]


@pytest.fixture
def three_rows(newest_database: Database) -> psycopg.Connection:
    connection = newest_database.connect()
    connection.execute("CREATE TABLE t (id int PRIMARY KEY, name text)")
    connection.execute("INSERT INTO t SELECT i, 'row ' || i FROM generate_series(1, 3) i")
    return connection


def slots(connection: psycopg.Connection) -> list[str]:
    found = connection.execute(
        "SELECT slot_name FROM pg_replication_slots WHERE database = current_database()"
    )
    return [name for (name,) in found]


def operations(bridge: BridgeProcess) -> list[tuple[str, str]]:
    return [(e["operation"], e["row_id"]) for e in bridge.delivered().events()]


def test_only_reads_the_rows_and_ends_without_a_slot(
    newest_database: Database, three_rows: psycopg.Connection, make_bridge: MakeBridge
) -> None:
    bridge = make_bridge(newest_database.dsn, source={"snapshot": "only"})
    for _ in range(2):
        bridge.start()
        assert bridge.wait() == 0, bridge.stderr
        assert slots(three_rows) == []
    assert operations(bridge) == [("Read", "1"), ("Read", "2"), ("Read", "3")] * 2
    assert len({event["event_id"] for event in bridge.delivered().events()}) == 6


def test_initial_reads_the_rows_once_and_then_streams(
    newest_database: Database, three_rows: psycopg.Connection, make_bridge: MakeBridge
) -> None:
    bridge = make_bridge(newest_database.dsn, source={"snapshot": "initial"}).start()
    bridge.wait_until_logged("stream_started")
    three_rows.execute("UPDATE t SET name = 'new' WHERE id = 2")
    bridge.wait_for_events(4)
    assert bridge.terminate() == 0
    bridge.start()
    bridge.wait_until_logged("stream_started")
    three_rows.execute("DELETE FROM t WHERE id = 3")
    bridge.wait_for_events(5)
    assert bridge.terminate() == 0
    expected = [("Read", "1"), ("Read", "2"), ("Read", "3"), ("Update", "2"), ("Delete", "3")]
    assert operations(bridge) == expected
    positions = [(e["commit_lsn"], e["ordinal"]) for e in bridge.delivered().events()]
    assert positions == sorted(set(positions))


def test_never_streams_only_what_comes(
    newest_database: Database, three_rows: psycopg.Connection, make_bridge: MakeBridge
) -> None:
    bridge = make_bridge(newest_database.dsn, source={"snapshot": "never"}).start()
    bridge.wait_until_logged("stream_started")
    three_rows.execute("INSERT INTO t VALUES (4, 'new')")
    bridge.wait_for_events(1)
    assert bridge.terminate() == 0
    assert operations(bridge) == [("Insert", "4")]


def test_a_slot_that_somebody_makes_after_the_bridge_could_not_is_adopted_too(
    newest_database: Database, three_rows: psycopg.Connection, make_bridge: MakeBridge
) -> None:
    bridge = make_bridge(
        newest_database.dsn,
        source={"snapshot": "initial", "create_slot_timeout_seconds": 1},
    )
    with newest_database.connect() as writer:
        writer.execute("BEGIN")
        writer.execute("INSERT INTO t VALUES (4, 'in the way')")
        bridge.start()
        assert bridge.wait() == EXIT_ENVIRONMENT, bridge.stderr
        writer.execute("ROLLBACK")
    three_rows.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", [SLOT])
    three_rows.execute("INSERT INTO t VALUES (5, 'before the second start')")
    bridge.start()
    bridge.wait_for_events(1)
    assert bridge.terminate() == 0
    assert operations(bridge) == [("Insert", "5")]


def test_a_slot_and_publication_made_beforehand_are_adopted(
    newest_database: Database, three_rows: psycopg.Connection, make_bridge: MakeBridge
) -> None:
    three_rows.execute("CREATE PUBLICATION theirs FOR TABLE t")
    three_rows.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", [SLOT])
    three_rows.execute("INSERT INTO t VALUES (4, 'before the first start')")
    bridge = make_bridge(
        newest_database.dsn,
        source={"snapshot": "initial", "publication": "theirs", "tables": None},
    ).start()
    bridge.wait_for_events(1)
    assert bridge.logged("snapshot_skipped")
    assert bridge.terminate() == 0
    assert operations(bridge) == [("Insert", "4")]
