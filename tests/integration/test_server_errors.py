"""What real servers answer when something is wrong, and what we make of it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Any

import psycopg
import pytest
from psycopg import pq
from psycopg.errors import error_from_result

from bridge.core.errors import BridgeError, EnvironmentProblem, SlotBusy, Transient
from bridge.postgres.connection import Connection, Database
from bridge.postgres.embedded import EmbeddedPostgres
from bridge.postgres.server_errors import explain, server_text
from tests.fixtures.databases import Database as FreshDatabase

pytestmark = pytest.mark.postgres(ordinary="ends")

PLAIN = "proto_version '1', publication_names 'p'"


def start(connection: Connection, slot: str, options: str = PLAIN) -> BridgeError | None:
    """Start streaming; return what went wrong, also if it shows only with the first change."""
    pgconn = connection.pgconn
    result = pgconn.exec_(f'START_REPLICATION SLOT "{slot}" LOGICAL 0/0 ({options})'.encode())
    if result.status == pq.ExecStatus.COPY_BOTH:
        return None
    return explain(error_from_result(result), doing="starting the stream")


def next_failure(connection: Connection) -> BridgeError:
    """Read the stream until it fails."""
    pgconn = connection.pgconn
    pgconn.nonblocking = 0
    while pgconn.get_copy_data(0)[0] > 0:
        pass
    result = pgconn.get_result()
    assert result is not None
    return explain(error_from_result(result), doing="streaming")


def answer(dsn: str, slot: str, options: str = PLAIN) -> BridgeError | None:
    with closing(Database(dsn).connect_replication()) as connection:
        return start(connection, slot, options)


@pytest.fixture
def slot(database: FreshDatabase) -> str:
    """A slot of the database, named like it."""
    admin = database.connect()
    admin.execute("CREATE TABLE t (a int PRIMARY KEY)")
    admin.execute("CREATE PUBLICATION p FOR TABLE t")
    admin.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", [database.name])
    return database.name


def assert_explained(error: BridgeError | None, says: str) -> None:
    assert isinstance(error, EnvironmentProblem)
    assert says in error.message
    assert error.remedy


def test_a_missing_slot(database: FreshDatabase) -> None:
    assert_explained(answer(database.dsn, "nowhere"), "the slot does not exist")


def test_a_slot_that_somebody_else_reads(database: FreshDatabase, slot: str) -> None:
    with closing(Database(database.dsn).connect_replication()) as first:
        assert start(first, slot) is None

        assert isinstance(answer(database.dsn, slot), SlotBusy)


def test_a_slot_of_another_database(database: FreshDatabase, slot: str) -> None:
    elsewhere = database.server.dsn(dbname="postgres")

    assert_explained(answer(elsewhere, slot), "belongs to another database")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("proto_version '9', publication_names 'p'", "this version of the protocol"),
        ("proto_version '1', publication_names 'p', invented 'on'", "this option of pgoutput"),
    ],
)
def test_what_the_server_does_not_speak(
    database: FreshDatabase, slot: str, options: str, says: str
) -> None:
    error = answer(database.dsn, slot, options)

    assert isinstance(error, EnvironmentProblem)
    assert says in error.message


@pytest.mark.postgres(max=17)
def test_a_missing_publication(database: FreshDatabase, slot: str) -> None:
    admin = database.connect()
    admin.execute("DROP PUBLICATION p")
    admin.execute("INSERT INTO t VALUES (1)")
    with closing(Database(database.dsn).connect_replication()) as connection:
        assert start(connection, slot) is None

        assert_explained(next_failure(connection), "the publication does not exist")


def test_a_session_that_an_administrator_ends(database: FreshDatabase, slot: str) -> None:
    with closing(Database(database.dsn).connect_replication()) as connection:
        assert start(connection, slot) is None
        database.connect().execute("SELECT pg_terminate_backend(%s)", [connection.info.backend_pid])

        error = next_failure(connection)

    assert isinstance(error, Transient)
    assert "ended the connection" in error.message


@pytest.mark.parametrize("major", [13, 15, 18])
def test_a_lost_slot(private_server: Callable[..., EmbeddedPostgres], major: int) -> None:
    server = private_server(
        major, max_slot_wal_keep_size="1MB", wal_keep_size="0", max_wal_size="32MB"
    )
    with psycopg.connect(server.dsn(), autocommit=True) as admin:
        admin.execute("SELECT pg_create_logical_replication_slot('lost', 'pgoutput')")
        for _ in range(4):
            admin.execute("SELECT pg_logical_emit_message(false, 'x', repeat('x', 1000))")
            admin.execute("SELECT pg_switch_wal()")
        admin.execute("CHECKPOINT")

    error = answer(server.dsn(), "lost")

    assert_explained(error, "the slot is lost")
    assert error is not None
    assert "--accept-gap" in error.remedy


def test_values_of_rows_stay_out_of_the_sentence(newest_database: FreshDatabase) -> None:
    connection = newest_database.connect()

    def failing(statement: str) -> BridgeError:
        with pytest.raises(psycopg.Error) as caught:
            connection.execute(statement.encode())
        return explain(caught.value, doing="reading")

    connection.execute("CREATE TABLE t (a text UNIQUE CHECK (length(a) < 20))")
    connection.execute("INSERT INTO t VALUES ('canary-51cb')")
    for statement in (
        "SELECT 'canary-51cb'::int",
        "INSERT INTO t VALUES ('canary-51cb')",
        "INSERT INTO t VALUES ('canary-51cb and much more')",
    ):
        error = failing(statement)
        assert "canary-51cb" not in str(error)
        assert "SQLSTATE 2" in error.message


def test_a_session_that_may_not_write_is_no_standby_unless_it_is(
    newest_database: FreshDatabase,
) -> None:
    connection = newest_database.connect(options="-c default_transaction_read_only=on")
    with pytest.raises(psycopg.Error) as caught:
        connection.execute("CREATE PUBLICATION p")

    error = explain(caught.value, doing="creating publication 'p'")

    assert "the session is read-only" in error.message
    assert "default_transaction_read_only" in error.remedy


def test_an_error_without_a_rule_lets_the_server_speak(newest_database: FreshDatabase) -> None:
    with pytest.raises(psycopg.Error) as caught:
        newest_database.connect().execute("SELECT FROM nowhere")

    error = explain(caught.value, doing="reading the catalog")

    assert isinstance(error, EnvironmentProblem)
    assert error.message == (
        'Reading the catalog failed: relation "nowhere" does not exist (SQLSTATE 42P01).'
    )


@pytest.mark.parametrize(
    ("text", "starting", "expected"),
    [
        ("FATAL:  the database system is starting up", True, Transient),
        ("FATAL:  the database system is in recovery mode", True, Transient),
        ("FATAL:  sorry, too many clients already", True, Transient),
        ("server closed the connection unexpectedly\n\tThis probably", True, EnvironmentProblem),
        ("server closed the connection unexpectedly\n\tThis probably", False, Transient),
        ("SSL SYSCALL error: EOF detected", False, Transient),
        ("something that nobody has seen", False, Transient),
        ("something that nobody has seen", True, EnvironmentProblem),
        ("FATAL:  unsupported startup parameter: replication", False, EnvironmentProblem),
    ],
)
def test_a_text_without_a_code_is_understood(text: str, starting: bool, expected: type) -> None:
    error = explain(psycopg.OperationalError(text), doing="connecting", starting=starting)

    assert type(error) is expected


def test_the_text_of_the_server_is_one_line() -> None:
    error: Any = psycopg.OperationalError(
        'connection failed: connection to server at "h", port 1 failed: FATAL:  no\n  DETAIL: x'
    )

    assert server_text(error) == "no"
