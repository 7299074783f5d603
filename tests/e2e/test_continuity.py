"""A slot that is not where the bridge left it: refused, until an operator accepts the gap."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest

from bridge.core.lsn import format_lsn
from bridge.postgres.embedded import EmbeddedPostgres
from tests.e2e.conftest import MakeBridge
from tests.fixtures.bridge_process import SLOT, BridgeProcess
from tests.fixtures.databases import Database
from tests.fixtures.one_table import (
    Connection,
    create_table,
    insert,
    keys,
)
from tests.fixtures.postgres import PrivateServerFactory
from tests.fixtures.slot_history import (
    current_wal_lsn,
    look_at_slot,
)


def end_in_order(bridge: BridgeProcess, connection: Connection) -> str:
    """Deliver one row, end the bridge, and return what it confirmed last."""
    bridge.start().wait_until_logged("stream_started")
    insert(connection, 1)
    bridge.wait_for_events(1)
    assert bridge.terminate() == 0
    return format_lsn(bridge.checkpoint().confirmed)


def recreate(connection: Connection) -> None:
    connection.execute("SELECT pg_drop_replication_slot(%s)", [SLOT])
    insert(connection, 2)
    connection.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", [SLOT])


def advance(connection: Connection) -> None:
    insert(connection, 2)
    connection.execute("SELECT pg_replication_slot_advance(%s, pg_current_wal_lsn())", [SLOT])


@pytest.mark.parametrize("tamper", [recreate, advance])
def test_a_slot_that_somebody_moved_is_refused_until_the_gap_is_accepted(
    tamper: Callable[[Connection], None], newest_database: Database, make_bridge: MakeBridge
) -> None:
    connection = newest_database.connect()
    create_table(connection)
    bridge = make_bridge(newest_database.dsn)
    confirmed = end_in_order(bridge, connection)
    tamper(connection)
    moved = format_lsn(look_at_slot(connection).confirmed)

    assert bridge.start().wait() == 3
    assert confirmed in bridge.stderr
    assert moved in bridge.stderr
    assert "--accept-gap" in bridge.stderr
    assert format_lsn(look_at_slot(connection).confirmed) == moved

    bridge.start("--accept-gap").wait_until_logged("stream_started")
    insert(connection, 3)
    first, gap, last = bridge.wait_for_events(3)
    assert keys([first, last]) == [1, 3]
    assert gap["operation"] == "Message"
    assert gap["new_values"]["prefix"] == "pgbridge.gap"
    assert json.loads(gap["new_values"]["content"]) == {"from": confirmed, "to": moved}
    assert bridge.terminate() == 0
    insert(connection, 4)
    assert keys(bridge.start().wait_for_events(4)[3:]) == [4]  # it was accepted once and for all


def test_a_slot_that_is_gone_is_not_made_again_unasked(
    newest_database: Database, make_bridge: MakeBridge
) -> None:
    connection = newest_database.connect()
    create_table(connection)
    bridge = make_bridge(newest_database.dsn)
    confirmed = end_in_order(bridge, connection)
    connection.execute("SELECT pg_drop_replication_slot(%s)", [SLOT])
    insert(connection, 2)

    assert bridge.start().wait() == 3
    assert confirmed in bridge.stderr
    found = connection.execute(
        "SELECT FROM pg_replication_slots WHERE slot_name = %s", [SLOT]
    ).fetchall()
    assert found == []

    bridge.start("--accept-gap").wait_until_logged("stream_started")
    insert(connection, 3)
    first, gap, last = bridge.wait_for_events(3)
    assert keys([first, last]) == [1, 3]
    assert json.loads(gap["new_values"]["content"])["from"] == confirmed


def test_the_news_of_a_gap_is_repeated_until_every_sink_has_it(
    newest_database: Database, make_bridge: MakeBridge
) -> None:
    connection = newest_database.connect()
    create_table(connection)
    sinks = [{"type": "file"}, {"type": "gated"}]
    bridge = make_bridge(newest_database.dsn, sinks=sinks)
    end_in_order(bridge, connection)
    recreate(connection)
    bridge.gate("gated").hold()
    bridge.start("--accept-gap").wait_for_events(2, sink="gated")
    bridge.wait_for_events(2, sink="file")
    bridge.kill()
    assert bridge.start().wait() == 3  # nobody may think that it was accepted and told
    bridge.gate("gated").release()
    bridge.start("--accept-gap").wait_until_logged("stream_started")
    for sink in ("file", "gated"):
        told = bridge.delivered(sink).events()[-1]
        assert told["new_values"]["prefix"] == "pgbridge.gap"


@contextmanager
def restored_afterwards(server: EmbeddedPostgres) -> Iterator[None]:
    """Put the server back into its present state when the block ends."""
    saved = server.data_dir.with_name("saved")
    server.shut_down()
    subprocess.run(["cp", "-a", server.data_dir, saved], check=True)
    server.start()
    yield
    server.shut_down()
    shutil.rmtree(server.data_dir)
    saved.rename(server.data_dir)
    server.start()


def test_a_server_that_was_restored_to_an_earlier_state_is_refused_until_that_is_accepted(
    private_server: PrivateServerFactory, make_bridge: MakeBridge
) -> None:
    server = private_server()
    bridge = make_bridge(server.dsn())
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        create_table(connection)
        end_in_order(bridge, connection)
    with restored_afterwards(server):
        bridge.start().wait_until_logged("stream_started")
        with psycopg.connect(server.dsn(), autocommit=True) as connection:
            insert(connection, *range(100, 600))
        bridge.wait_for_events(501)
        assert bridge.terminate() == 0
    confirmed = bridge.checkpoint().confirmed

    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        assert current_wal_lsn(connection) < confirmed
        assert bridge.start().wait() == 3
        assert format_lsn(confirmed) in bridge.stderr
        assert "restored" in bridge.stderr
        (said,) = (line for line in bridge.stderr.splitlines() if format_lsn(confirmed) in line)
        assert said.count("/") >= 2  # where the WAL ends is named as well

        bridge.start("--accept-gap").wait_until_logged("stream_started")
        insert(connection, 2)
        bridge.until(
            lambda: 2 in keys(bridge.delivered().events()), "the row written after the restore"
        )
