"""The test databases: each test has its own, and nothing of it stays on the shared server."""

from __future__ import annotations

import psycopg
import pytest
from psycopg.pq import ExecStatus

from tests.fixtures.databases import Database, fresh_database
from tests.fixtures.server_sources import MAJORS, PostgresServer


def test_the_matrix_gives_a_new_database_on_every_major_version(
    database: Database, postgres_major: int
) -> None:
    connection = database.connect()

    assert connection.info.server_version // 10000 == postgres_major
    assert connection.info.dbname == database.name
    assert connection.execute("SHOW wal_level").fetchone() == ("logical",)
    assert connection.execute("SELECT 1 FROM pg_stat_user_tables").fetchall() == []


@pytest.mark.postgres(min=15, max=16)
def test_a_marker_narrows_the_matrix(postgres_major: int) -> None:
    assert postgres_major in (15, 16)


def test_newest_and_oldest_are_the_ends_of_what_can_be_had(
    newest_server: PostgresServer, oldest_server: PostgresServer
) -> None:
    assert MAJORS[0] <= oldest_server.major_version <= newest_server.major_version <= MAJORS[-1]


def test_a_database_goes_although_it_is_streamed_from_and_has_prepared_work(
    newest_server: PostgresServer,
) -> None:
    with fresh_database(newest_server) as database:
        connection = database.connect()
        connection.execute("CREATE TABLE orders (id int PRIMARY KEY)")
        connection.execute(
            f"SELECT pg_create_logical_replication_slot('{database.name}', 'pgoutput')"
        )
        connection.execute("BEGIN")
        connection.execute("INSERT INTO orders VALUES (1)")
        connection.execute("PREPARE TRANSACTION 'unfinished'")
        walsender = psycopg.connect(database.dsn, replication="database", autocommit=True)
        started = walsender.pgconn.exec_(
            f"START_REPLICATION SLOT {database.name} LOGICAL 0/0"
            f" (proto_version '1', publication_names 'none')".encode()
        )
        assert started.status == ExecStatus.COPY_BOTH
    walsender.close()

    with psycopg.connect(newest_server.dsn()) as admin:
        left = admin.execute(
            "SELECT datname FROM pg_database WHERE datname = %(name)s"
            " UNION SELECT slot_name FROM pg_replication_slots WHERE slot_name = %(name)s",
            {"name": database.name},
        ).fetchall()
    assert left == []
