"""Reading from the server without the interpreter's lock."""

from __future__ import annotations

import select

import psycopg
import pytest
from psycopg import pq

from bridge.postgres.libpq import input_reader
from tests.fixtures.databases import Database


def test_an_answer_is_read(database: Database) -> None:
    pgconn = database.connect().pgconn
    read = input_reader(pgconn)
    pgconn.send_query(b"SELECT 'answer'")
    while pgconn.is_busy():
        select.select([pgconn.socket], [], [], 10)
        read()
    result = pgconn.get_result()
    assert result is not None
    assert result.get_value(0, 0) == b"answer"


def test_a_compiled_psycopg_is_not_asked_to_read(database: Database) -> None:
    assert pq.__impl__ in ("binary", "c")
    pgconn = database.connect().pgconn
    assert input_reader(pgconn) != pgconn.consume_input


def test_without_a_compiled_psycopg_its_own_method_reads() -> None:
    class Connection:
        def consume_input(self) -> None: ...

    connection = Connection()
    assert input_reader(connection) == connection.consume_input  # type: ignore[arg-type]


def test_a_lost_connection_is_an_error(database: Database) -> None:
    connection = database.connect()
    read = input_reader(connection.pgconn)
    connection.pgconn.send_query(b"SELECT pg_terminate_backend(pg_backend_pid())")

    def read_to_the_end() -> None:
        while True:
            select.select([connection.pgconn.socket], [], [], 10)
            read()

    with pytest.raises(psycopg.OperationalError, match="reading failed"):
        read_to_the_end()


def test_a_closed_connection_is_an_error(database: Database) -> None:
    connection = database.connect()
    read = input_reader(connection.pgconn)
    connection.close()
    with pytest.raises(psycopg.OperationalError, match="reading failed"):
        read()
