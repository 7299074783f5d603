"""The lease: one of several processes has it, and it comes back when that one is gone."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bridge.core.errors import EnvironmentProblem, Transient
from bridge.postgres.connection import Database
from bridge.postgres.embedded import EmbeddedPostgres
from bridge.postgres.lease import Lease
from tests.fixtures.databases import Database as FreshDatabase
from tests.fixtures.waiting import eventually


def test_one_has_the_lease_and_the_next_gets_it_afterwards(database: FreshDatabase) -> None:
    first = Lease(Database(database.dsn, application_name="bridge/a"), "orders")
    second = Lease(Database(database.dsn), "orders")

    with first, second:
        assert first.try_acquire()
        assert first.try_acquire()
        assert first.held()
        assert not second.try_acquire()
        assert not second.held()
        assert "bridge/a" in (second.holder() or "")

        first.release()
        first.release()
        assert not first.held()
        assert eventually(second.try_acquire, message="the lease is free")
        assert second.held()


def test_other_slots_have_other_leases(newest_database: FreshDatabase) -> None:
    source = Database(newest_database.dsn)

    with Lease(source, "orders") as one, Lease(source, "invoices") as other:
        assert one.try_acquire()
        assert other.try_acquire()


def test_nobody_holds_a_lease_that_was_never_taken(newest_database: FreshDatabase) -> None:
    assert Lease(Database(newest_database.dsn), "orders").holder() is None


def test_a_lost_session_is_a_lost_lease(database: FreshDatabase) -> None:
    with Lease(Database(database.dsn), "orders") as lease:
        assert lease.try_acquire()
        database.connect().execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks"
            " WHERE locktype = 'advisory' AND pid <> pg_backend_pid() AND database ="
            " (SELECT oid FROM pg_database WHERE datname = current_database())"
        )

        eventually(lambda: not lease.held(), message="the loss is noticed")
        assert lease.try_acquire()


def test_a_server_that_is_away_is_an_error_and_no_lease(
    private_server: Callable[..., EmbeddedPostgres],
) -> None:
    server = private_server()
    lease, unknown = Lease(Database(server.dsn()), "orders"), Database(server.dsn())
    assert lease.try_acquire()

    server.shut_down()

    assert not lease.held()
    with pytest.raises(Transient):
        lease.try_acquire()
    with pytest.raises(EnvironmentProblem):
        Lease(unknown, "orders").try_acquire()
