"""The processing state in PostgreSQL: poolers, publications, rights, and who may write."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from bridge.core.errors import EnvironmentProblem, Transient
from bridge.postgres.connection import Database
from bridge.postgres.embedded import EmbeddedPostgres
from bridge.postgres.processor_state import NoState, PostgresStateStore
from tests.contract.state_stores import make_checkpoint, make_result, make_results
from tests.fixtures.databases import Database as FreshDatabase
from tests.fixtures.pooler import pooler
from tests.fixtures.waiting import eventually


def open_store(dsn: str, slot: str = "orders", **settings: str) -> PostgresStateStore:
    return PostgresStateStore(Database(dsn), slot, **settings)


@pytest.fixture
def role(newest_database: FreshDatabase) -> Iterator[str]:
    """A role that may connect, and no more."""
    admin = newest_database.connect()
    name = f"role_{newest_database.name}"
    admin.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(name)))
    yield name
    admin.execute(sql.SQL("DROP OWNED BY {0} CASCADE").format(sql.Identifier(name)))
    admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


def test_it_works_on_every_server(database: FreshDatabase) -> None:
    for number in (1, 2):
        with closing(open_store(database.dsn)) as store:
            store.commit(make_checkpoint(number), make_results(number))
            store.delivered("out", number)

    with closing(open_store(database.dsn)) as store:
        assert store.load() == make_checkpoint(2)
        assert store.results("out", 0, 10) == [(3, make_result(3)), (4, make_result(4))]


def test_it_works_through_a_pooler_that_changes_sessions(
    newest_database: FreshDatabase, tmp_path: Path
) -> None:
    with pooler(newest_database, tmp_path, mode="transaction") as dsn:
        stores = [open_store(dsn, slot) for slot in ("orders", "invoices")]
        for number in range(1, 6):
            for store in stores:
                store.commit(make_checkpoint(number), make_results(number))
            for store in reversed(stores):
                store.delivered("out", number)
        for store in stores:
            assert store.load() == make_checkpoint(5)
            assert store.results("out", 5, 1) == [(6, make_result(6))]
            store.close()
        with psycopg.connect(dsn, autocommit=True) as session:
            for setting in ("lock_timeout", "statement_timeout"):
                assert session.execute(sql.SQL("SHOW {}").format(sql.SQL(setting))).fetchone() == (
                    "0",
                )


def test_texts_survive_a_database_that_lacks_their_characters(
    newest_database: FreshDatabase,
) -> None:
    name = f"{newest_database.name}_latin"
    admin = newest_database.connect()
    admin.execute(
        sql.SQL("CREATE DATABASE {} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0").format(
            sql.Identifier(name)
        )
    )
    try:
        with closing(open_store(newest_database.server.dsn(dbname=name))) as store:
            store.commit(make_checkpoint(1), make_results(1))
            assert store.results("out", 0, 10) == [(1, make_result(1)), (2, make_result(2))]
    finally:
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def test_who_opens_it_last_may_write(newest_database: FreshDatabase) -> None:
    with closing(open_store(newest_database.dsn)) as first:
        first.commit(make_checkpoint(1), make_results(1))
        with closing(open_store(newest_database.dsn)) as second:
            with pytest.raises(EnvironmentProblem, match="Another process has taken over"):
                first.commit(make_checkpoint(2), make_results(2))

            second.commit(make_checkpoint(2), make_results(2))
            assert second.load() == make_checkpoint(2)


def test_it_can_be_looked_at_without_taking_it_over(newest_database: FreshDatabase) -> None:
    def look(slot: str = "orders") -> PostgresStateStore:
        return PostgresStateStore(Database(newest_database.dsn), slot, reading=True)

    with pytest.raises(NoState):
        look()
    with closing(open_store(newest_database.dsn)) as store:
        store.commit(make_checkpoint(1), make_results(1))
        with closing(look()) as seen:
            assert seen.identity == store.identity
            assert seen.load() == make_checkpoint(1)
            assert seen.waiting() == store.waiting()
            with pytest.raises(EnvironmentProblem, match="Another process has taken over"):
                seen.commit(make_checkpoint(2), make_results(2))
        with pytest.raises(NoState, match="'invoices'"):
            look("invoices")
        store.commit(make_checkpoint(2), make_results(2))  # it goes on


def test_a_publication_of_all_tables_is_refused(newest_database: FreshDatabase) -> None:
    admin = newest_database.connect()
    admin.execute("CREATE TABLE orders (id int PRIMARY KEY)")
    admin.execute("CREATE PUBLICATION everything FOR ALL TABLES")
    admin.execute("CREATE PUBLICATION orders FOR TABLE orders")

    with pytest.raises(EnvironmentProblem, match="Publication 'everything' sends the tables"):
        open_store(newest_database.dsn, publication="everything")

    found = admin.execute("SELECT to_regnamespace('pgbridge')").fetchone()
    assert found == (None,)
    open_store(newest_database.dsn, publication="orders").close()
    open_store(newest_database.dsn).close()


def test_the_schema_can_be_chosen(newest_database: FreshDatabase) -> None:
    name = 'odd "schema" {x} %s'
    with closing(open_store(newest_database.dsn, schema=name)) as store:
        store.commit(make_checkpoint(1), make_results(1))
        store.delivered("out", 1)
        assert store.load() == make_checkpoint(1)
        assert store.waiting() == {"out": 1}

    with closing(open_store(newest_database.dsn)) as other:
        assert other.load() is None


def test_an_account_that_may_not_create_is_told_what_to_ask_for(
    newest_database: FreshDatabase, role: str
) -> None:
    dsn = newest_database.server.dsn(dbname=newest_database.name, user=role)
    with pytest.raises(
        EnvironmentProblem, match=r'may not create a schema.*CREATE SCHEMA "pgbridge" AUTHORIZATION'
    ):
        open_store(dsn)

    admin = newest_database.connect()
    admin.execute(sql.SQL("CREATE SCHEMA pgbridge AUTHORIZATION {}").format(sql.Identifier(role)))
    with closing(open_store(dsn)) as store:
        store.commit(make_checkpoint(1), make_results(1))
        assert store.load() == make_checkpoint(1)


def test_a_layout_from_the_future_is_refused(newest_database: FreshDatabase) -> None:
    open_store(newest_database.dsn).close()
    newest_database.connect().execute("INSERT INTO pgbridge.processing_layout VALUES (999)")

    with pytest.raises(EnvironmentProblem, match="newer pgbridge"):
        open_store(newest_database.dsn)


def test_a_state_that_is_removed_while_in_use_is_not_written_again(
    newest_database: FreshDatabase,
) -> None:
    with closing(open_store(newest_database.dsn)) as store:
        store.commit(make_checkpoint(1), make_results(1))
        newest_database.connect().execute("DELETE FROM pgbridge.processing_store")

        for call in (store.load, lambda: store.commit(make_checkpoint(2), make_results(2))):
            with pytest.raises(
                EnvironmentProblem, match=r"was removed from .* while it was in use"
            ):
                call()


def test_a_damaged_state_is_named(newest_database: FreshDatabase) -> None:
    with closing(open_store(newest_database.dsn)) as store:
        store.commit(make_checkpoint(1), make_results(1))
        newest_database.connect().execute(
            "UPDATE pgbridge.processing_state SET data = set_byte(data, 20, 0)"
            " WHERE name = 'large-2'"
        )

        with pytest.raises(EnvironmentProblem, match="State 'large-2' is damaged"):
            store.load()


def test_a_server_that_is_away_is_waited_for(
    private_server: Callable[..., EmbeddedPostgres],
) -> None:
    server = private_server()
    with closing(open_store(server.dsn())) as store:
        store.commit(make_checkpoint(1), make_results(1))
        server.shut_down()
        for _ in range(2):
            with pytest.raises(Transient):
                store.commit(make_checkpoint(2), make_results(2))
        server.start()

        eventually(
            lambda: store.commit(make_checkpoint(2), make_results(2)) is None,
            message="the checkpoint is stored",
            ignoring=(Transient,),
        )
        assert store.load() == make_checkpoint(2)
