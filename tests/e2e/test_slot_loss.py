"""A slot that is lost, and a server that is another one: the bridge says so and goes no further."""

from __future__ import annotations

import json
import time

import psycopg
import pytest

from bridge.core.lsn import format_lsn
from bridge.postgres.embedded import EmbeddedPostgres
from tests.e2e.conftest import MakeBridge
from tests.fixtures.bridge_process import SLOT, BridgeProcess
from tests.fixtures.one_table import (
    Connection,
    create_table,
    insert,
    insert_many,
    keys,
    write_unpublished,
)
from tests.fixtures.postgres import PrivateServerFactory
from tests.fixtures.proxy import Proxy, socket_path
from tests.fixtures.slot_history import look_at_slot

WATCHFUL = {"check_interval_seconds": 0.2}


def limited_server(private_server: PrivateServerFactory, major: int) -> EmbeddedPostgres:
    """Start a server that keeps no more than 64 MB for a slot."""
    return private_server(
        major, max_slot_wal_keep_size="64MB", min_wal_size="32MB", max_wal_size="64MB"
    )


def overrun(connection: Connection) -> None:
    """Write more WAL than the server keeps, and let it throw away what it need not keep."""
    write_unpublished(connection, 80)
    connection.execute("SELECT pg_switch_wal()")
    connection.execute("CHECKPOINT")


def assert_refused_with_directions(bridge: BridgeProcess) -> None:
    assert bridge.wait() == 3
    for direction in (f"pgbridge slots drop {SLOT}", "--accept-gap", "max_slot_wal_keep_size"):
        assert direction in bridge.stderr


def follow_the_directions(bridge: BridgeProcess, connection: Connection) -> None:
    """Drop the slot, accept the gap, and see that the stream goes on behind it."""
    before = len(bridge.delivered().events())
    confirmed = format_lsn(bridge.checkpoint().confirmed)
    connection.execute("SELECT pg_drop_replication_slot(%s)", [SLOT])
    bridge.start("--accept-gap").wait_until_logged("stream_started")
    insert(connection, 1_000_000)
    gap, row = bridge.wait_for_events(before + 2)[before:]
    assert gap["new_values"]["prefix"] == "pgbridge.gap"
    assert json.loads(gap["new_values"]["content"])["from"] == confirmed
    assert keys([row]) == [1_000_000]
    assert bridge.terminate() == 0


@pytest.mark.parametrize("major", [pytest.param(15, marks=pytest.mark.nightly), 18])
def test_a_slot_that_was_lost_while_nobody_streamed_is_refused_with_directions(
    major: int, private_server: PrivateServerFactory, make_bridge: MakeBridge
) -> None:
    server = limited_server(private_server, major)
    bridge = make_bridge(server.dsn())
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        create_table(connection)
        bridge.start().wait_until_logged("stream_started")
        insert(connection, 1)
        bridge.wait_for_events(1)
        assert bridge.terminate() == 0
        overrun(connection)
        assert look_at_slot(connection).wal_status == "lost"

        assert_refused_with_directions(bridge.start())
        follow_the_directions(bridge, connection)


@pytest.mark.parametrize("major", [pytest.param(15, marks=pytest.mark.nightly), 18])
def test_a_slot_that_a_stuck_sink_loses_is_warned_of_and_ends_the_run_with_directions(
    major: int, private_server: PrivateServerFactory, make_bridge: MakeBridge
) -> None:
    server = limited_server(private_server, major)
    bridge = make_bridge(
        server.dsn(),
        sinks=[{"type": "gated"}],
        wal_budget=WATCHFUL,
        shutdown={"drain_seconds": 1},
    )
    bridge.gate().hold()
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        create_table(connection)
        bridge.start().wait_until_logged("stream_started")
        insert(connection, 1)
        bridge.wait_for_events(1)
        write_unpublished(connection, 40)
        warning = bridge.wait_until_logged("wal_budget")
        assert warning["held_by"] == ["gated"]
        assert warning["wal_status"] != "lost"
        overrun(connection)
        assert_refused_with_directions(bridge)
        assert look_at_slot(connection).wal_status == "lost"

        bridge.gate().release()
        assert_refused_with_directions(bridge.start())
        follow_the_directions(bridge, connection)


@pytest.mark.parametrize("major", [pytest.param(15, marks=pytest.mark.nightly), 18])
def test_a_checkpoint_that_drops_wal_does_not_wait_for_a_bridge_that_stopped_reading(
    major: int, private_server: PrivateServerFactory, make_bridge: MakeBridge
) -> None:
    server = limited_server(private_server, major)
    pressure = {"max_events": 500, "spool_bytes": 0, "max_pause_seconds": 2}
    bridge = make_bridge(server.dsn(), sinks=[{"type": "gated"}], backpressure=pressure)
    bridge.gate().block()
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        create_table(connection)
        bridge.start().wait_until_logged("stream_started")
        insert_many(connection, 1, 20_000, row_bytes=1_500)
        began = time.monotonic()
        overrun(connection)
        assert time.monotonic() - began < 2 + 8  # its own work takes some of it
        bridge.wait_until_logged("stream_given_up")
        bridge.gate().release()
        assert bridge.wait() == 3
        assert look_at_slot(connection).wal_status == "lost"


def test_another_cluster_under_the_same_names_is_refused(
    private_server: PrivateServerFactory, make_bridge: MakeBridge
) -> None:
    here, there = private_server(), private_server(own_cluster=True)
    bridge = make_bridge(here.dsn())
    identifiers = []
    for server in (here, there):
        with psycopg.connect(server.dsn(), autocommit=True) as connection:
            create_table(connection)
            row = connection.execute("SELECT system_identifier FROM pg_control_system()").fetchone()
            assert row is not None
            identifiers.append(str(row[0]))
            if server is here:
                bridge.start().wait_until_logged("stream_started")
                assert bridge.terminate() == 0
    bridge.settings["source"]["dsn"] = there.dsn()
    assert bridge.start().wait() == 3
    assert all(identifier in bridge.stderr for identifier in identifiers)
    with psycopg.connect(there.dsn(), autocommit=True) as connection:
        assert connection.execute("SELECT FROM pg_replication_slots").fetchall() == []


def test_another_cluster_on_the_same_address_ends_the_run(
    private_server: PrivateServerFactory, make_bridge: MakeBridge
) -> None:
    here, there = private_server(), private_server(own_cluster=True)
    for server in (here, there):
        with psycopg.connect(server.dsn(), autocommit=True) as connection:
            create_table(connection)
    with psycopg.connect(there.dsn(), autocommit=True) as connection:
        write_unpublished(connection, 1)  # its slot stands beyond the other one
        connection.execute("CREATE PUBLICATION published FOR TABLE t")
        connection.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", [SLOT])
        insert(connection, 1)
    with Proxy(socket_path(here)) as proxy:
        bridge = make_bridge(here.dsn(host="127.0.0.1", port=proxy.port))
        bridge.start().wait_until_logged("stream_started")
        proxy.redirect(socket_path(there))
        assert bridge.wait() == 3
    assert "system identifier" in bridge.stderr
    assert bridge.delivered().events() == []
