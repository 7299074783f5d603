"""Slow sinks, frozen networks, a server that shuts down, and two bridges on one slot."""

from __future__ import annotations

import signal
import time

import psycopg
import pytest

from tests.e2e.conftest import MakeBridge, MakeDatabase
from tests.fixtures.bridge_process import BridgeProcess
from tests.fixtures.databases import Database
from tests.fixtures.delivered import without_repeats
from tests.fixtures.one_table import (
    Connection,
    create_table,
    insert,
    insert_many,
    keys,
    single_row_commits,
    stored_keys,
)
from tests.fixtures.postgres import PrivateServerFactory
from tests.fixtures.proxy import Proxy, socket_path
from tests.fixtures.slot_history import (
    SlotHistory,
    look_at_slot,
    wait_until_confirmed,
    wait_until_sent,
    wait_until_the_socket_is_full,
)
from tests.fixtures.waiting import eventually

MIB = 1 << 20


def is_gone(connection: Connection, pid: int) -> bool:
    return not connection.execute("SELECT FROM pg_stat_activity WHERE pid = %s", [pid]).fetchall()


# Sinks that are stuck


@pytest.mark.parametrize(
    ("spool_bytes", "rows"),
    [pytest.param(256 * MIB, 200_000, marks=pytest.mark.nightly), (0, 50_000)],
)
def test_a_blocked_sink_and_a_large_transaction_do_not_cost_the_connection(
    spool_bytes: int, rows: int, private_server: PrivateServerFactory, make_bridge: MakeBridge
) -> None:
    server = private_server(wal_sender_timeout="2s")
    bridge = make_bridge(
        server.dsn(),
        sinks=[{"type": "gated"}],
        backpressure={"max_events": 5_000, "spool_bytes": spool_bytes},
    )
    bridge.gate().block()
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        create_table(connection)
        bridge.start().wait_until_logged("stream_started")
        insert_many(connection, 1, rows)
        with SlotHistory(server.dsn()) as history:
            until = time.monotonic() + 6.5
            bridge.until(lambda: time.monotonic() > until, "more than three times the timeout")
        bridge.gate().release()
        events = bridge.wait_for_events(rows, timeout=60)
        assert keys(events) == [*range(1, rows + 1)]
        assert max(history.confirmed) <= events[0]["commit_lsn"]
        wait_until_confirmed(connection)
    assert len(bridge.logged("stream_started")) == 1
    assert "terminating walsender" not in server.log_path.read_text()


SMALL = {"max_events": 500, "spool_bytes": MIB, "max_pause_seconds": 2}


@pytest.mark.parametrize("major", [pytest.param(15, marks=pytest.mark.nightly), 18])
def test_a_sink_that_stays_stuck_costs_the_connection_so_that_the_server_is_free(
    major: int, make_database: MakeDatabase, make_bridge: MakeBridge
) -> None:
    database = make_database(major)
    connection = database.connect()
    create_table(connection)
    bridge = make_bridge(database.dsn, sinks=[{"type": "gated"}], backpressure=SMALL)
    bridge.gate().block()
    bridge.start().wait_until_logged("stream_started")
    for part in range(20):
        insert_many(connection, part * 2_000, 2_000, row_bytes=1_500)
    bridge.wait_until_logged("stream_given_up", timeout=10)
    eventually(
        lambda: look_at_slot(connection).active_pid is None,
        timeout=2,
        message="nobody streams from the slot",
    )
    connection.execute("SET statement_timeout = '5s'")
    connection.execute("CHECKPOINT")
    assert bridge.logged("stream_given_up")[0]["held_by"] == ["gated"]
    assert bridge.delivered().events() == []

    bridge.gate().release()
    events = bridge.wait_for_events(40_000, timeout=60)
    assert keys(events) == [*range(40_000)]
    wait_until_confirmed(connection)
    assert bridge.terminate() == 0


@pytest.mark.parametrize("major", [pytest.param(15, marks=pytest.mark.nightly), 18])
def test_the_server_can_end_a_stream_that_nobody_reads(
    major: int, make_database: MakeDatabase, make_bridge: MakeBridge
) -> None:
    database = make_database(major)
    connection = database.connect()
    create_table(connection)
    backpressure = {**SMALL, "spool_bytes": 0, "max_pause_seconds": 3}
    bridge = make_bridge(database.dsn, sinks=[{"type": "gated"}], backpressure=backpressure)
    bridge.gate().block()
    bridge.start().wait_until_logged("stream_started")
    walsender = look_at_slot(connection).active_pid
    assert walsender is not None
    insert_many(connection, 1, 20_000, row_bytes=1_500)
    wait_until_the_socket_is_full(connection)
    connection.execute("SELECT pg_terminate_backend(%s)", [walsender])
    eventually(
        lambda: is_gone(connection, walsender), timeout=5, message="the server process is gone"
    )
    bridge.gate().release()
    assert keys(bridge.wait_for_events(20_000)) == [*range(1, 20_001)]


@pytest.mark.parametrize("major", [pytest.param(15, marks=pytest.mark.nightly), 18])
def test_a_fast_shutdown_of_the_server_does_not_wait_for_a_stuck_sink(
    major: int, private_server: PrivateServerFactory, make_bridge: MakeBridge
) -> None:
    server = private_server(major)
    bridge = make_bridge(server.dsn(), sinks=[{"type": "gated"}])
    bridge.gate().block()
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        create_table(connection)
        bridge.start().wait_until_logged("stream_started")
        insert(connection, 1)
        insert(connection, 2)
        wait_until_sent(connection)
    server.shut_down("fast", timeout=10)
    server.start()
    bridge.wait_until_logged("stream_started", count=2)
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        insert(connection, 3)
        wait_until_sent(connection)
    server.shut_down("fast", timeout=10)
    bridge.kill()
    server.start()
    assert bridge.delivered().events() == []

    bridge.gate().release()
    assert keys(bridge.start().wait_for_events(3)) == [1, 2, 3]
    assert bridge.terminate() == 0


# A network that is stuck


LIVELY = {"status_interval_seconds": 0.5, "liveness_seconds": 2, "lease_seconds": 2}


@pytest.mark.parametrize("fault", ["freeze", "cut"])
def test_a_connection_that_carries_nothing_is_replaced(
    fault: str, private_server: PrivateServerFactory, make_bridge: MakeBridge
) -> None:
    server = private_server(wal_sender_timeout="2s")
    with (
        Proxy(socket_path(server)) as proxy,
        psycopg.connect(server.dsn(), autocommit=True) as connection,
    ):
        create_table(connection)
        through = server.dsn(host="127.0.0.1", port=proxy.port)
        bridge = make_bridge(through, source=LIVELY)
        bridge.start().wait_until_logged("stream_started")
        insert(connection, 1)
        bridge.wait_for_events(1)
        if fault == "freeze":
            proxy.freeze()
        else:
            proxy.cut()
        insert(connection, 2)
        bridge.wait_until_logged("stream_started", count=2, timeout=15)
        assert keys(bridge.wait_for_events(2)) == [1, 2]
        wait_until_confirmed(connection)
        assert bridge.terminate() == 0


def test_it_waits_for_a_network_that_lets_nothing_through_and_can_be_stopped_meanwhile(
    private_server: PrivateServerFactory, make_bridge: MakeBridge
) -> None:
    server = private_server(wal_sender_timeout="2s")
    with (
        Proxy(socket_path(server)) as proxy,
        psycopg.connect(server.dsn(), autocommit=True) as connection,
    ):
        create_table(connection)
        through = server.dsn(host="127.0.0.1", port=proxy.port, connect_timeout=2)
        bridge = make_bridge(through, source=LIVELY)
        bridge.start().wait_until_logged("stream_started")
        proxy.freeze(new_ones_too=True)
        insert(connection, 1)
        bridge.wait_until_logged("stream_lost", count=2, timeout=30)
        proxy.thaw()
        assert keys(bridge.wait_for_events(1)) == [1]

        proxy.freeze(new_ones_too=True)
        bridge.wait_until_logged("stream_lost", count=3, timeout=30)
        assert bridge.terminate(timeout=20) == 0


# Two bridges


def streaming(bridges: list[BridgeProcess]) -> list[BridgeProcess]:
    return [bridge for bridge in bridges if bridge.logged("stream_started")]


def test_of_two_bridges_one_streams_and_the_other_takes_over_when_it_hangs(
    private_server: PrivateServerFactory, make_bridge: MakeBridge
) -> None:
    server = private_server(wal_sender_timeout="2s")
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        create_table(connection)
        bridges = [
            make_bridge(server.dsn(), name=name, source={"lease_seconds": 2, "instance": name})
            for name in ("one", "two")
        ]
        for bridge in bridges:
            bridge.start()
        eventually(lambda: streaming(bridges), timeout=20, message="a bridge streams")
        (first,) = streaming(bridges)
        (second,) = (bridge for bridge in bridges if bridge is not first)
        second.wait_until_logged("standby")
        with single_row_commits(server.dsn(), writers=1):
            first.wait_for_events(100)
            first.signal(signal.SIGSTOP)
            # At most the lease, the server's patience with the stream, and a second between looks.
            second.wait_until_logged("stream_started", timeout=2 + 2 + 1 + 3)
            second.wait_for_events(100)
            first.signal(signal.SIGCONT)
            assert first.wait() == 3
            assert "lease" in first.stderr
            second.wait_for_events(len(second.delivered().events()) + 100)
        wait_until_confirmed(connection)
        assert second.terminate() == 0
        delivered = first.delivered().events() + second.delivered().events()
        assert sorted(keys(without_repeats(delivered))) == stored_keys(connection)


def test_a_standby_takes_over_at_once_when_the_other_is_killed(
    newest_database: Database, make_bridge: MakeBridge
) -> None:
    connection = newest_database.connect()
    create_table(connection)
    first = make_bridge(newest_database.dsn, name="first").start()
    first.wait_until_logged("stream_started")
    second = make_bridge(newest_database.dsn, name="second").start()
    second.wait_until_logged("standby")
    insert(connection, 1)
    first.wait_for_events(1)
    first.kill()
    insert(connection, 2)
    second.wait_until_logged("stream_started", timeout=5)
    delivered = second.delivered()
    second.until(lambda: keys(delivered.events())[-1:] == [2], "the row written in between")


def test_a_standby_outlives_a_restart_of_the_server(
    private_server: PrivateServerFactory, make_bridge: MakeBridge
) -> None:
    server = private_server()
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        create_table(connection)
    first = make_bridge(server.dsn(), name="first").start()
    first.wait_until_logged("stream_started")
    second = make_bridge(server.dsn(), name="second").start()
    second.wait_until_logged("standby")
    server.restart("immediate")
    eventually(
        lambda: (
            [b for b in (first, second) if b.running and b.logged("stream_lost")]
            or [b for b in (first, second) if not b.running]
        ),
        message="the restart was noticed",
    )
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        insert(connection, 1)
        eventually(
            lambda: [b for b in (first, second) if keys(b.delivered().events()) == [1]],
            timeout=20,
            message="one of them goes on",
        )
