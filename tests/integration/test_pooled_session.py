"""What a store's session does, whatever the role prefers and whoever ends it."""

from __future__ import annotations

from contextlib import closing

import pytest
from psycopg import sql

from bridge.core.errors import Transient
from bridge.core.secret import Dsn
from bridge.postgres.connection import Database
from bridge.postgres.pooled_session import DURABLE, PooledSession
from tests.fixtures.databases import Database as FreshDatabase


@pytest.fixture
def session(newest_database: FreshDatabase) -> PooledSession:
    return PooledSession(Database(Dsn(newest_database.dsn)), "the store", DURABLE)


def test_a_transaction_is_durable_and_sees_what_was_committed_whatever_the_role_prefers(
    newest_database: FreshDatabase, session: PooledSession
) -> None:
    name = sql.Identifier(newest_database.name)
    for setting in ("synchronous_commit = off", "default_transaction_isolation = 'serializable'"):
        newest_database.connect().execute(sql.SQL("ALTER DATABASE {} SET " + setting).format(name))
    with closing(session):
        with session.transaction("looking at") as connection:
            assert connection.execute("SHOW synchronous_commit").fetchone() == ("on",)
            assert connection.execute("SHOW transaction_isolation").fetchone() == (
                "read committed",
            )
        with session.use("looking at") as connection:
            assert connection.execute("SHOW synchronous_commit").fetchone() == ("off",)


def test_a_connection_that_the_server_has_ended_is_replaced(
    newest_database: FreshDatabase, session: PooledSession
) -> None:
    def pid() -> int:
        with session.use("asking") as connection:
            return connection.info.backend_pid

    with closing(session):
        before = pid()
        newest_database.connect().execute("SELECT pg_terminate_backend(%s, 10000)", [before])
        with pytest.raises(Transient, match="the store"), session.use("asking") as connection:
            connection.execute("SELECT")
        assert pid() != before


def test_what_fails_inside_is_undone(session: PooledSession) -> None:
    def write_and_fail() -> None:
        with session.transaction("writing to") as connection:
            connection.execute("CREATE TABLE t ()")
            raise KeyError

    with closing(session):
        with pytest.raises(KeyError):
            write_and_fail()
        with session.use("asking") as connection:
            assert connection.execute("SELECT to_regclass('t')").fetchone() == (None,)
