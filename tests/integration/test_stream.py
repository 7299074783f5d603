"""The replication stream on real servers: what comes in, and how it can end."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from threading import Thread

import psycopg
import pytest

from bridge.core.errors import EnvironmentProblem, SlotBusy, Transient
from bridge.core.events import Operation
from bridge.postgres.stream import ReplicationStream
from tests.fixtures import stream_reader
from tests.fixtures.databases import Database
from tests.fixtures.postgres import PrivateServerFactory
from tests.fixtures.stream_reader import Reader
from tests.fixtures.waiting import eventually

OpenStream = Callable[..., ReplicationStream]


@pytest.fixture
def open_stream() -> Iterator[OpenStream]:
    """Return a function that opens a stream on a DSN; all are closed at the end."""
    with ExitStack() as stack:
        yield lambda dsn, **options: stack.enter_context(stream_reader.open_stream(dsn, **options))


def prepare(connection: psycopg.Connection, *, slot: str = "s") -> None:
    connection.execute("CREATE TABLE t (id bigint PRIMARY KEY, name text)")
    connection.execute("CREATE PUBLICATION p FOR TABLE t")
    connection.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", [slot])


def test_changes_arrive_in_order_with_their_positions(
    database: Database, open_stream: OpenStream
) -> None:
    connection = database.connect()
    prepare(connection)
    connection.execute("INSERT INTO t VALUES (1, 'Ada'), (2, NULL)")
    connection.execute("UPDATE t SET name = 'Bob' WHERE id = 2")
    connection.execute("UPDATE t SET id = 3 WHERE id = 2")
    connection.execute("DELETE FROM t WHERE id = 1")
    connection.execute("TRUNCATE t")
    reader = Reader(open_stream(database.dsn))
    events = reader.until(6)
    assert [e.operation for e in events] == [
        Operation.INSERT,
        Operation.INSERT,
        Operation.UPDATE,
        Operation.UPDATE,
        Operation.DELETE,
        Operation.TRUNCATE,
    ]
    assert [e.row_id for e in events] == ["1", "2", "2", "3", "1", None]
    assert events[3].old_values == {"id": 2}
    positions = [e.position for e in events]
    assert positions == sorted(set(positions))


def test_the_slot_moves_to_what_is_confirmed_and_no_further(
    database: Database, open_stream: OpenStream
) -> None:
    connection = database.connect()
    prepare(connection)
    connection.execute("INSERT INTO t VALUES (1)")
    connection.execute("INSERT INTO t VALUES (2)")
    reader = Reader(open_stream(database.dsn))
    reader.until(2)
    eventually(lambda: reader.step() is not None and len(reader.commits) == 2, message="commits")
    end = reader.commits[0].end_lsn
    reader.stream.send_status(write=end, flush=end)

    def confirmed() -> int:
        reader.step()
        return connection.execute(
            "SELECT (confirmed_flush_lsn - '0/0')::bigint FROM pg_replication_slots "
            "WHERE slot_name = 's'"
        ).fetchone()[0]

    eventually(lambda: confirmed() == end, message="the slot stands at the end of the commit")
    reader.stream.close()
    again = Reader(open_stream(database.dsn))
    assert [e.row_id for e in again.until(1)] == ["2"]


@pytest.mark.postgres(min=14)
def test_messages_come_with_the_changes(database: Database, open_stream: OpenStream) -> None:
    connection = database.connect()
    prepare(connection)
    connection.execute("SELECT pg_logical_emit_message(false, 'now', 'outside')")
    with connection.transaction(force_rollback=True):
        connection.execute("SELECT pg_logical_emit_message(true, 'then', 'never')")
        connection.execute("SELECT pg_logical_emit_message(false, 'now', 'all the same')")
    connection.execute("SELECT pg_logical_emit_message(true, 'then', 'inside')")
    events = Reader(open_stream(database.dsn)).until(3)
    assert [e.new_values["content"] for e in events] == ["outside", "all the same", "inside"]
    assert [e.ordinal for e in events] == [-1, -1, 0]
    assert [e.position for e in events] == sorted(e.position for e in events)


def test_rows_of_one_copy_have_positions_of_their_own(
    database: Database, open_stream: OpenStream
) -> None:
    connection = database.connect()
    prepare(connection)
    with connection.cursor() as cursor, cursor.copy("COPY t FROM STDIN") as copy:
        for i in range(50):
            copy.write_row((i, "x"))
    events = Reader(open_stream(database.dsn)).until(50)
    assert len({e.lsn for e in events}) < 50  # what makes the row's own LSN useless as identity
    assert len({e.event_id for e in events}) == 50


def test_interleaved_transactions_come_in_commit_order(
    database: Database, open_stream: OpenStream
) -> None:
    first, second = database.connect(), database.connect()
    prepare(first)
    first.execute("BEGIN")
    first.execute("INSERT INTO t VALUES (1)")
    second.execute("INSERT INTO t VALUES (2)")
    first.execute("INSERT INTO t VALUES (3)")
    first.execute("COMMIT")
    events = Reader(open_stream(database.dsn)).until(3)
    assert [e.row_id for e in events] == ["2", "1", "3"]
    assert [e.position for e in events] == sorted(e.position for e in events)
    assert [e.lsn for e in events] != sorted(e.lsn for e in events)


def test_a_busy_slot_is_named(database: Database, open_stream: OpenStream) -> None:
    prepare(database.connect())
    open_stream(database.dsn)
    with pytest.raises(SlotBusy):
        open_stream(database.dsn)


def test_a_missing_slot_is_named(database: Database, open_stream: OpenStream) -> None:
    database.connect().execute("CREATE PUBLICATION p")
    with pytest.raises(EnvironmentProblem, match="s") as caught:
        open_stream(database.dsn)
    assert caught.value.remedy


def test_a_slot_of_another_plugin_is_refused(database: Database, open_stream: OpenStream) -> None:
    connection = database.connect()
    connection.execute("CREATE PUBLICATION p")
    connection.execute("SELECT pg_create_logical_replication_slot('s', 'test_decoding')")
    with pytest.raises((EnvironmentProblem, Transient)):
        Reader(open_stream(database.dsn)).until_it_ends()


def test_a_missing_publication_ends_the_stream(database: Database, open_stream: OpenStream) -> None:
    connection = database.connect()
    prepare(connection)
    connection.execute("INSERT INTO t VALUES (1)")
    reader = Reader(open_stream(database.dsn, publication="missing"))
    with pytest.raises(EnvironmentProblem, match="publication") as caught:
        reader.until_it_ends()
    assert caught.value.remedy
    assert reader.events == []


def test_a_missing_publication_is_noticed_where_warnings_are_switched_off(
    newest_database: Database, open_stream: OpenStream
) -> None:
    connection = newest_database.connect()
    prepare(connection)
    connection.execute(f"ALTER DATABASE {newest_database.name} SET client_min_messages = error")
    connection.execute("INSERT INTO t VALUES (1)")
    with pytest.raises(EnvironmentProblem, match="publication"):
        Reader(open_stream(newest_database.dsn, publication="missing")).until_it_ends()


def test_a_publication_that_is_dropped_meanwhile_ends_the_stream(
    database: Database, open_stream: OpenStream
) -> None:
    connection = database.connect()
    prepare(connection)
    reader = Reader(open_stream(database.dsn))
    connection.execute("INSERT INTO t VALUES (1)")
    reader.until(1)
    connection.execute("DROP PUBLICATION p")
    connection.execute("INSERT INTO t VALUES (2)")
    with pytest.raises(EnvironmentProblem, match="publication") as caught:
        reader.until_it_ends()
    assert caught.value.remedy
    assert [e.row_id for e in reader.events] == ["1"]


def test_a_terminated_stream_is_an_outage(database: Database, open_stream: OpenStream) -> None:
    connection = database.connect()
    prepare(connection)
    reader = Reader(open_stream(database.dsn))
    reader.step()
    connection.execute(
        "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = 's'"
    )
    with pytest.raises(Transient):
        reader.until_it_ends()


def test_a_silent_client_is_not_disconnected_while_it_sends_its_status(
    newest_database: Database, open_stream: OpenStream
) -> None:
    connection = newest_database.connect()
    prepare(connection)
    stream = open_stream(newest_database.dsn, wal_sender_timeout="1s")
    waiting_since = time.monotonic()
    eventually(
        lambda: stream.send_status(write=0, flush=0) and time.monotonic() - waiting_since > 3,
        message="three times the timeout has passed",
    )
    connection.execute("INSERT INTO t VALUES (1)")
    assert [e.row_id for e in Reader(stream).until(1)] == ["1"]


@pytest.mark.parametrize("mode", ["immediate", "kill"])
def test_a_server_that_dies_is_an_outage(
    mode: str, private_server: PrivateServerFactory, open_stream: OpenStream
) -> None:
    server = private_server()
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        prepare(connection)
    reader = Reader(open_stream(server.dsn()))
    reader.step()
    if mode == "kill":
        os.kill(server.pid, signal.SIGKILL)
    else:
        server.shut_down("immediate")
    with pytest.raises(Transient):
        reader.until_it_ends()


def test_a_fast_shutdown_is_not_held_up_by_unconfirmed_changes(
    private_server: PrivateServerFactory, open_stream: OpenStream
) -> None:
    server = private_server()
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        prepare(connection)
        reader = Reader(open_stream(server.dsn()))
        connection.execute("INSERT INTO t VALUES (1)")
        reader.until(1)
    shutdown = Thread(target=server.shut_down, args=("fast",), kwargs={"timeout": 15})
    shutdown.start()
    with pytest.raises(Transient):
        reader.until_it_ends(flush=1)
    reader.stream.close()
    shutdown.join(15)
    assert not shutdown.is_alive()


def test_a_stream_that_is_started_twice_begins_where_the_slot_stands(
    database: Database, open_stream: OpenStream
) -> None:
    connection = database.connect()
    prepare(connection)
    connection.execute("INSERT INTO t VALUES (1)")
    for _ in range(2):
        reader = Reader(open_stream(database.dsn))
        assert [e.row_id for e in reader.until(1)] == ["1"]
        reader.stream.close()
