"""The views of read models in PostgreSQL: readers, grants, poolers, publications and rights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Any

import psycopg
import pytest
from psycopg import sql

from bridge.core.errors import EnvironmentProblem, Transient
from bridge.eventsourcing.read_models import ReadModel
from bridge.eventsourcing.read_models.rebuild import rebuild
from bridge.postgres.connection import Database
from bridge.postgres.read_models import PostgresViews
from tests.contract.test_view_storage import totals
from tests.fixtures.bank_views import Bank, balances
from tests.fixtures.databases import Database as FreshDatabase
from tests.fixtures.pooler import pooler


def open_views(
    dsn: str, model: ReadModel[Any] = balances, *, schema: str = "read_models", **settings: Any
) -> PostgresViews:
    return PostgresViews(Database(dsn), "balances", model.columns, schema=schema, **settings)


def build(views: PostgresViews, bank: Bank, model: ReadModel[Any] = balances) -> None:
    rebuild("balances", model, bank.events, views, lambda position: None)


@pytest.fixture
def bank() -> Bank:
    bank = Bank()
    bank.opens(["a", "b"], deposits=4)
    return bank


@pytest.fixture
def role(newest_database: FreshDatabase) -> Iterator[str]:
    """A role that may connect, and no more."""
    admin = newest_database.connect()
    name = f"role_{newest_database.name}"
    admin.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(name)))
    yield name
    admin.execute(sql.SQL("DROP OWNED BY {0} CASCADE").format(sql.Identifier(name)))
    admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


def test_it_works_on_the_oldest_server_through_a_pooler_that_changes_sessions(
    oldest_server: Any, bank: Bank, tmp_path: Path
) -> None:
    from tests.fixtures.databases import fresh_database

    name = 'odd "schema" {x} %s'
    with fresh_database(oldest_server) as database:
        admin = database.connect()
        admin.execute(
            sql.SQL("ALTER DATABASE {} SET timezone = 'America/New_York'").format(
                sql.Identifier(database.name)
            )
        )
        with pooler(database, tmp_path, mode="transaction") as dsn:
            stores = [open_views(dsn, schema=name), open_views(dsn)]
            for views in stores:
                build(views, bank)
            for views in stores:
                live = views.live()
                assert live is not None
                found = views.rows(live, [("a",), ("c",)])
                assert balances.row(found["a",]).movements == 2
                views.close()


def test_readers_never_see_a_view_that_is_missing_or_half_built(
    newest_database: FreshDatabase, bank: Bank
) -> None:
    seen: set[object] = set()
    ending = Event()

    def read() -> None:
        with psycopg.connect(newest_database.dsn, autocommit=True) as reader:
            while not ending.is_set():
                seen.add(
                    reader.execute(
                        "SELECT count(*), sum(movements) FROM read_models.balances"
                    ).fetchone()
                )

    with closing(open_views(newest_database.dsn)) as views:
        build(views, bank)
        reader = Thread(target=read)
        reader.start()
        for _ in range(5):
            build(views, bank)
        ending.set()
        reader.join()

    assert seen == {(2, 4)}


def test_a_reader_that_holds_the_view_is_waited_for_in_turns(
    newest_database: FreshDatabase, bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.eventsourcing.read_models.rebuild._ATTEMPTS", 2)
    with closing(open_views(newest_database.dsn)) as views:
        build(views, bank)
        live = views.live()
        holder = newest_database.connect()
        with holder.transaction():
            holder.execute("SELECT * FROM read_models.balances")
            with pytest.raises(Transient, match="Swapping the read model 'balances' failed"):
                build(views, bank)
            assert views.live() == live
        build(views, bank)
    tables = newest_database.connect().execute(
        "SELECT count(*) FROM pg_tables WHERE tablename LIKE 'balances\\_\\_%'"
    )
    assert tables.fetchone() == (1,)


def test_grants_outlast_a_rebuild_and_dependents_are_named_when_columns_change(
    newest_database: FreshDatabase, bank: Bank, role: str
) -> None:
    admin = newest_database.connect()
    with closing(open_views(newest_database.dsn)) as views:
        build(views, bank)
        name = sql.Identifier(role)
        admin.execute(sql.SQL("GRANT USAGE ON SCHEMA read_models TO {}").format(name))
        admin.execute(sql.SQL("GRANT SELECT ON read_models.balances TO {}").format(name))
        admin.execute("CREATE VIEW rich AS SELECT account FROM read_models.balances")

        build(views, bank)
        as_role = newest_database.connect(user=role)
        assert as_role.execute("SELECT count(*) FROM read_models.balances").fetchone() == (2,)
        assert admin.execute("SELECT count(*) FROM rich").fetchone() == (2,)

    with closing(open_views(newest_database.dsn, totals)) as views:
        with pytest.raises(EnvironmentProblem, match=r"depend on it .* columns have changed"):
            build(views, bank, totals)
        admin.execute("DROP VIEW rich")
        build(views, bank, totals)
    assert admin.execute("SELECT count(*) FROM read_models.balances").fetchone() == (0,)


def test_a_publication_that_would_send_the_view_is_refused(newest_database: FreshDatabase) -> None:
    admin = newest_database.connect()
    admin.execute("CREATE TABLE orders (id int PRIMARY KEY)")
    admin.execute("CREATE PUBLICATION everything FOR ALL TABLES")
    admin.execute("CREATE PUBLICATION orders FOR TABLE orders")

    with pytest.raises(EnvironmentProblem, match="Publication 'everything' sends the tables"):
        open_views(newest_database.dsn, publication="everything")

    assert admin.execute("SELECT to_regnamespace('read_models')").fetchone() == (None,)
    open_views(newest_database.dsn, publication="orders").close()


def test_a_role_without_rights_is_told_what_to_run(
    newest_database: FreshDatabase, role: str, bank: Bank
) -> None:
    dsn = newest_database.server.dsn(dbname=newest_database.name, user=role)
    with pytest.raises(EnvironmentProblem, match='CREATE SCHEMA "read_models" AUTHORIZATION'):
        open_views(dsn)

    newest_database.connect().execute(
        sql.SQL("CREATE SCHEMA read_models AUTHORIZATION {}").format(sql.Identifier(role))
    )
    with closing(open_views(dsn)) as views:
        build(views, bank)


@dataclass(frozen=True)
class Wide:
    """A row whose column names need quoting."""

    select: str
    größe: int


def test_columns_may_have_any_name_of_python(newest_database: FreshDatabase, bank: Bank) -> None:
    wide = ReadModel(Wide, key="select")
    wide.on("Opened")(lambda row, event: Wide(event.aggregate_id, 1))
    with closing(open_views(newest_database.dsn, wide)) as views:
        build(views, bank, wide)
        live = views.live()
        assert live is not None
        assert views.rows(live, [("a",)]) == {("a",): ("a", 1)}


def test_a_session_that_the_server_ends_is_replaced(
    newest_database: FreshDatabase, bank: Bank
) -> None:
    with closing(open_views(newest_database.dsn)) as views:
        build(views, bank)
        live = views.live()
        newest_database.connect().execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND application_name = 'pgbridge'"
        )
        with pytest.raises(Transient):
            views.live()
        assert views.live() == live
