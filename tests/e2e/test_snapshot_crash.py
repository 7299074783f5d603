"""The first start, killed in each of its phases while the application writes on."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from tests.e2e.conftest import MakeBridge, MakeDatabase
from tests.fixtures.bridge_process import SLOT, BridgeProcess
from tests.fixtures.delivered import Event, position, rebuild, without_repeats
from tests.fixtures.one_table import Connection
from tests.fixtures.slot_history import look_at_slot, wait_until_confirmed
from tests.fixtures.waiting import eventually
from tests.fixtures.writers import (
    PUBLISHED,
    Writers,
    create_tables,
    current_tables,
    delivered_history,
    recorded_history,
)

_ROWS = 3_000


def reads(events: list[Event]) -> list[Event]:
    return [event for event in events if event["operation"] == "Read"]


def last_snapshot(events: list[Event]) -> list[Event]:
    """Return the rows of the last attempt; each attempt has a position of its own."""
    last = max(event["commit_lsn"] for event in reads(events))
    return [event for event in reads(events) if event["commit_lsn"] == last]


@contextmanager
def open_transaction(dsn: str) -> Iterator[None]:
    """Keep a writing transaction open: a slot cannot be created before it ends."""
    with psycopg.connect(dsn, autocommit=True) as connection, connection.transaction():
        connection.execute("SELECT pg_current_xact_id()")
        yield


def kill_while_the_slot_is_created(bridge: BridgeProcess, dsn: str) -> None:
    with open_transaction(dsn), psycopg.connect(dsn, autocommit=True) as connection:
        bridge.start()
        bridge.until(
            lambda: connection.execute(
                "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                " AND query LIKE 'CREATE_REPLICATION_SLOT%'"
            ).fetchall(),
            "the slot waits for the transaction",
        )
        bridge.kill()


def kill_among_the_rows(bridge: BridgeProcess, dsn: str) -> None:
    before = len(bridge.delivered().events())
    bridge.gate().block()
    bridge.start().wait_for_events(before + _ROWS // 3)
    assert bridge.checkpoint().phase == "snapshot"
    bridge.kill()
    bridge.gate().release()


def kill_behind_the_last_row(bridge: BridgeProcess, dsn: str) -> None:
    before = len(bridge.delivered().events())
    bridge.gate().hold()  # all rows are written, and nobody has promised to keep them
    bridge.start().wait_for_events(before + _ROWS)
    bridge.until(
        lambda: len(bridge.logged("snapshot_table_finished")) == len(PUBLISHED), "all tables"
    )
    assert bridge.checkpoint().phase == "snapshot"
    bridge.kill()
    bridge.gate().release()


def kill_as_soon_as_it_streams(bridge: BridgeProcess, dsn: str) -> None:
    bridge.start().wait_until_logged("stream_started")
    bridge.kill()


def assert_versions_count_up(events: list[Event]) -> None:
    """Each change is exactly one step from what was known of its row, the snapshot included."""
    versions: dict[tuple[str, int], int] = {}
    for event in events:
        table, key = event["table"], int(event["row_id"])
        if event["operation"] == "Delete":
            del versions[table, key]
            continue
        version = event["new_values"]["version"]
        if event["operation"] == "Update":
            old = (event["old_values"] or {}).get("id", key)
            assert version == versions.pop((table, old)) + 1, f"{table} {key}"
        versions[table, key] = version


def fill(connection: Connection) -> None:
    create_tables(connection)
    connection.execute(
        "INSERT INTO items SELECT 1000000000 + i, -1, 1, 'row' FROM generate_series(1, %s) AS i",
        [_ROWS],
    )


@pytest.mark.parametrize("major", [pytest.param(13, marks=pytest.mark.nightly), 18])
def test_killed_in_each_phase_it_starts_over_and_meets_the_stream_exactly(
    major: int, make_database: MakeDatabase, make_bridge: MakeBridge
) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    database = make_database(major)
    connection = database.connect()
    fill(connection)
    bridge = make_bridge(
        database.dsn,
        tables=PUBLISHED,
        sinks=[{"type": "gated", "pass_first": _ROWS // 3}],
        source={"snapshot": "initial"},
        # All rows, however many the writers have added, are read while none is confirmed.
        backpressure={"max_events": 1_000_000},
    )
    # Without a pause: a snapshot that is a moment late misses the slot's point by many commits.
    with Writers(database.dsn, seed=seed, count=4, pause_s=0.01) as writers:
        for kill in (
            kill_while_the_slot_is_created,
            kill_among_the_rows,
            kill_behind_the_last_row,
            kill_among_the_rows,
            kill_as_soon_as_it_streams,
        ):
            kill(bridge, database.dsn)
            slots = connection.execute(
                "SELECT slot_name FROM pg_replication_slots WHERE database = current_database()"
            ).fetchall()
            assert slots in ([], [(SLOT,)])  # nothing is left behind under another name
        enough = writers.commits + 50
        eventually(lambda: writers.commits >= enough, message="50 more transactions")
        bridge.start().wait_until_logged("stream_started")
        assert bridge.logged("starting")[0]["how"] == "resume"
    wait_until_confirmed(connection)
    assert bridge.terminate() == 0

    delivered = bridge.delivered().events()
    snapshot = last_snapshot(delivered)
    stream = without_repeats(event for event in delivered if event["operation"] != "Read")
    assert len({event["commit_lsn"] for event in reads(delivered)}) == 4  # attempts with rows
    assert [event["ordinal"] for event in snapshot] == [*range(len(snapshot))]
    assert position(snapshot[-1]) < position(stream[0])

    events = snapshot + stream
    assert_versions_count_up(events)
    rebuilt, recorded = rebuild(events), recorded_history(connection)
    for xid, changes in delivered_history(stream).items():
        assert recorded[xid] == changes
    for table, rows in current_tables(connection).items():
        assert {row["id"]: row for row in rebuilt[table].values()} == rows, table


def test_a_snapshot_survives_an_outage_of_its_sink(
    make_database: MakeDatabase, make_bridge: MakeBridge
) -> None:
    database = make_database(18)
    connection = database.connect()
    fill(connection)
    bridge = make_bridge(
        database.dsn,
        tables=PUBLISHED,
        sinks=[{"type": "gated", "pass_first": 10}],
        source={"snapshot": "initial"},
        backpressure={"max_events": 100, "spool_bytes": 0, "max_pause_seconds": 1},
    )
    bridge.gate().block()
    bridge.start().wait_for_events(10)
    with Writers(database.dsn, seed=1, count=2) as writers:
        eventually(lambda: writers.commits >= 50, timeout=20, message="50 transactions")
    assert look_at_slot(connection).active_pid is None
    bridge.gate().release()
    bridge.wait_until_logged("stream_started")
    wait_until_confirmed(connection)
    rebuilt = rebuild(bridge.delivered().events())
    for table, rows in current_tables(connection).items():
        assert {row["id"]: row for row in rebuilt[table].values()} == rows, table
    assert bridge.terminate() == 0
