"""The server's clock, with a place in the WAL that proves what it says."""

from __future__ import annotations

import time

import pytest

from bridge.core.errors import Transient
from bridge.postgres.connection import Database
from bridge.postgres.server_clock import ServerClock, wal_end
from tests.fixtures.databases import Database as FreshDatabase
from tests.fixtures.postgres import PrivateServerFactory
from tests.fixtures.slot_history import current_wal_lsn
from tests.fixtures.waiting import eventually

_PAGE_BYTES = 8192


def test_it_tells_the_time_and_where_the_wal_ended_then(database: FreshDatabase) -> None:
    connection = database.connect()
    clock = ServerClock(Database(database.dsn))
    try:
        before = current_wal_lsn(connection)
        first = clock.read()
        connection.execute("CREATE TABLE t (id int)")
        second = clock.read()
    finally:
        clock.close()
    assert first is not None
    assert second is not None
    assert wal_end(before, _PAGE_BYTES) <= first.wal_end < second.wal_end
    assert first.clock < second.clock
    assert abs(first.clock / 1_000_000 - time.time()) < 60


def test_the_wal_of_an_idle_server_comes_to_the_place(newest_database: FreshDatabase) -> None:
    connection = newest_database.connect()
    clock = ServerClock(Database(newest_database.dsn))
    try:
        for size in range(40):  # ends of the WAL at many places in its pages
            connection.execute("SELECT pg_logical_emit_message(true, 'test', %s)", ["x" * size * 9])
            now = clock.read()
            assert now is not None
            eventually(
                lambda wal_end=now.wal_end: current_wal_lsn(connection) >= wal_end,  # type: ignore[misc]
                message="what was inserted is written",
            )
    finally:
        clock.close()


def test_a_restart_of_the_server_is_survived(private_server: PrivateServerFactory) -> None:
    server = private_server()
    clock = ServerClock(Database(server.dsn()))
    try:
        assert clock.read() is not None
        server.restart("fast")
        with pytest.raises(Transient):
            clock.read()
        assert clock.read() is not None
    finally:
        clock.close()
