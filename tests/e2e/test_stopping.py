"""SIGTERM: what is confirmed on the way out, and how long that may take."""

from __future__ import annotations

import signal

import pytest

from tests.e2e.conftest import MakeBridge
from tests.fixtures.databases import Database
from tests.fixtures.delivered import position, without_repeats
from tests.fixtures.one_table import (
    create_table,
    insert,
    insert_many,
    keys,
    single_row_commits,
    stored_keys,
)
from tests.fixtures.slot_history import (
    look_at_slot,
    wait_until_confirmed,
    wait_until_sent,
    wait_until_the_socket_is_full,
)


@pytest.mark.parametrize(
    "times", [6, pytest.param(50, marks=[pytest.mark.nightly, pytest.mark.timeout(600)])]
)
def test_sigterm_under_load_leaves_the_slot_where_the_sinks_are_and_nothing_repeats(
    times: int, newest_database: Database, make_bridge: MakeBridge
) -> None:
    connection = newest_database.connect()
    create_table(connection)
    bridge = make_bridge(newest_database.dsn, sinks=[{"type": "gated"}])
    delivered = bridge.delivered().events
    bridge.start().wait_until_logged("stream_started")  # the slot exists from here on
    assert bridge.terminate() == 0
    with single_row_commits(newest_database.dsn, writers=2):
        for _ in range(times):
            enough = len(delivered()) + 100
            bridge.start().wait_for_events(enough)
            assert bridge.terminate() == 0
            slot, checkpoint = look_at_slot(connection), bridge.checkpoint()
            assert slot.active_pid is None
            assert slot.confirmed == checkpoint.confirmed
            # The last event may have come without the end of its transaction, which cannot be
            # confirmed then; the checkpoint knows that the sink has it.
            before_last, last = delivered()[-2:]
            assert before_last["commit_lsn"] < slot.confirmed
            assert checkpoint.positions == {"gated": position(last)}
    bridge.start().wait_until_logged("stream_started")
    wait_until_confirmed(connection)
    assert bridge.terminate() == 0
    assert keys(delivered()) == keys(without_repeats(delivered()))
    assert sorted(keys(delivered())) == stored_keys(connection)


def test_what_becomes_durable_after_sigterm_is_confirmed_through_a_full_socket(
    newest_database: Database, make_bridge: MakeBridge
) -> None:
    connection = newest_database.connect()
    create_table(connection)
    pressure = {"max_events": 500, "spool_bytes": 0}
    bridge = make_bridge(newest_database.dsn, sinks=[{"type": "gated"}], backpressure=pressure)
    bridge.gate().hold()
    bridge.start().wait_until_logged("stream_started")
    insert(connection, 0)
    (event,) = bridge.wait_for_events(1)
    insert_many(connection, 1, 20_000, row_bytes=1_500)
    wait_until_the_socket_is_full(connection)
    assert look_at_slot(connection).confirmed <= event["commit_lsn"]
    bridge.signal(signal.SIGTERM)
    bridge.wait_until_logged("stopping")
    bridge.gate().release()
    assert bridge.wait() == 0
    confirmed = look_at_slot(connection).confirmed
    assert confirmed == bridge.checkpoint().confirmed
    assert confirmed > event["commit_lsn"]


def test_sigterm_with_a_dead_sink_ends_within_the_grace_and_loses_nothing(
    newest_database: Database, make_bridge: MakeBridge
) -> None:
    connection = newest_database.connect()
    create_table(connection)
    bridge = make_bridge(
        newest_database.dsn, sinks=[{"type": "gated"}], shutdown={"drain_seconds": 1}
    )
    bridge.gate().block()
    bridge.start().wait_until_logged("stream_started")
    insert(connection, 1)
    insert(connection, 2)
    wait_until_sent(connection)
    assert bridge.terminate(timeout=1 + 5) == 0
    assert bridge.logged("stopped")[0]["drained"] is False
    bridge.gate().release()
    assert keys(bridge.start().wait_for_events(2)) == [1, 2]


def test_a_second_sigterm_ends_it_at_once(
    newest_database: Database, make_bridge: MakeBridge
) -> None:
    connection = newest_database.connect()
    create_table(connection)
    bridge = make_bridge(
        newest_database.dsn, sinks=[{"type": "gated"}], shutdown={"drain_seconds": 60}
    )
    bridge.gate().block()
    bridge.start().wait_until_logged("stream_started")
    insert(connection, 1)
    wait_until_sent(connection)
    bridge.signal(signal.SIGTERM)
    bridge.wait_until_logged("stopping")
    assert bridge.terminate(timeout=2) == 128 + signal.SIGTERM
