"""Settings of a role and of a database, which change how sessions print values, change nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from psycopg import sql

from tests.fixtures.databases import Database, fresh_database
from tests.fixtures.raw_json import members
from tests.fixtures.server_sources import PostgresServer
from tests.fixtures.written_types import Origin, WrittenTypes, write_types

pytestmark = pytest.mark.postgres(ordinary="ends")

TABLES = ("scalars", "scalars as text", "composites")

OF_THE_ROLE = {
    "datestyle": "German, DMY",
    "intervalstyle": "sql_standard",
    "timezone": "America/St_Johns",
    "bytea_output": "escape",
    "extra_float_digits": "-15",
    "search_path": "public",
    "xmlbinary": "hex",
    "quote_all_identifiers": "on",
}
OF_THE_DATABASE = {
    "datestyle": "Postgres, MDY",
    "intervalstyle": "iso_8601",
    "timezone": "Asia/Kathmandu",
    "bytea_output": "escape",
    "extra_float_digits": "0",
}


@pytest.fixture
def role(server: PostgresServer) -> Iterator[str]:
    """Make a superuser whose settings print values in other ways."""
    with fresh_database(server) as database:
        name = database.name.replace("test", "role")
        connection = database.connect()
        identifier = sql.Identifier(name)
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN SUPERUSER").format(identifier))
        for setting, value in {**OF_THE_ROLE, **money_locale(database)}.items():
            connection.execute(
                sql.SQL("ALTER ROLE {} SET {} = {}").format(
                    identifier, sql.Identifier(setting), sql.Literal(value)
                )
            )
        yield name
        connection.execute(sql.SQL("DROP ROLE {}").format(identifier))


def money_locale(database: Database) -> dict[str, str]:
    """Return a locale that prints money in its own way, if the server has one."""
    locale = (
        database.connect()
        .execute(
            "SELECT collcollate FROM pg_collation"
            " WHERE collprovider = 'c' AND collcollate ~ '^(de_DE|ja_JP|fr_FR)' LIMIT 1"
        )
        .fetchone()
    )
    return {} if locale is None else {"lc_monetary": locale[0]}


def test_settings_of_the_role_and_the_database_change_no_byte(
    server: PostgresServer, postgres_major: int, role: str
) -> None:
    with ExitStack() as stack:
        plain, hostile = (stack.enter_context(fresh_database(server)) for _ in range(2))
        for setting, value in OF_THE_DATABASE.items():
            hostile.connect().execute(
                sql.SQL("ALTER DATABASE {} SET {} = {}").format(
                    sql.Identifier(hostile.name), sql.Identifier(setting), sql.Literal(value)
                )
            )
        expected = write_types(plain, postgres_major, only=TABLES)
        dsn = server.dsn(dbname=hostile.name, user=role)
        found = write_types(hostile, postgres_major, dsn=dsn, only=TABLES)
        origins: list[Origin] = ["text", "snapshot"]
        if postgres_major >= 14:
            origins.append("binary")
        for origin in origins:
            assert rows(found, origin) == rows(expected, origin)


def rows(written: WrittenTypes, origin: Origin) -> list[tuple[str | None, str]]:
    found = []
    for (_, _, member), lines in written.lines(origin).items():
        for line in lines:
            parts = members(line)
            found.append((parts["table"], parts[member]))
    return found
