"""Tables of processors in changelog mode: refused until the server sends whole old rows."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from bridge.core.errors import EnvironmentProblem
from bridge.postgres.changelog_tables import check_changelog_tables
from bridge.postgres.connection import Database
from bridge.postgres.preflight import Expected, Status, run_checks
from tests.fixtures.databases import Database as FreshDatabase

TABLES = ("public.orders", 'public."odd ""name"')


@pytest.fixture
def shop(database: FreshDatabase) -> psycopg.Connection[Any]:
    admin = database.connect()
    admin.execute(
        """
        CREATE TABLE orders (id int PRIMARY KEY);
        CREATE TABLE "odd ""name" (id int PRIMARY KEY);
        CREATE TABLE others (id int PRIMARY KEY);
        CREATE PUBLICATION p FOR TABLE orders, "odd ""name", others;
        """
    )
    return admin


def test_doctor_names_the_commands_and_they_help(
    database: FreshDatabase, shop: psycopg.Connection[Any]
) -> None:
    expected = Expected(slot="s", publication="p", changelog_tables=TABLES)

    def finding() -> Any:
        findings = run_checks(Database(database.dsn), expected)
        return next(f for f in findings if f.name == "publication.changelog")

    found = finding()
    assert found.status is Status.FAIL
    assert "public.orders" in found.message
    assert "others" not in found.message
    shop.execute(found.remedy.removeprefix("Run: "))
    assert finding().status is Status.PASS


def test_the_start_refuses_them(database: FreshDatabase, shop: psycopg.Connection[Any]) -> None:
    source = Database(database.dsn)
    with pytest.raises(EnvironmentProblem, match="orders") as caught:
        check_changelog_tables(source, "p", TABLES)
    shop.execute(caught.value.remedy.removeprefix("Run: "))
    check_changelog_tables(source, "p", TABLES)


def test_without_such_processors_nothing_is_asked(database: FreshDatabase) -> None:
    check_changelog_tables(Database("host=nowhere.invalid"), "p", ())
    findings = run_checks(Database(database.dsn), Expected(slot="s", publication="p"))
    assert "publication.changelog" not in {finding.name for finding in findings}
