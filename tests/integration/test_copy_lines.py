"""COPY lines of real servers hold exactly the texts that a query returns."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from decoders.copy_text import parse_copy_line
from tests.fixtures.databases import Database
from tests.fixtures.type_samples import TYPE_SAMPLES

pytestmark = pytest.mark.postgres(ordinary="ends")

Row = tuple[str | None, ...]


@pytest.fixture
def connection(database: Database) -> psycopg.Connection[Any]:
    return database.connect()


def copied(connection: psycopg.Connection[Any], query: str, columns: int) -> list[Row]:
    with connection.cursor().copy(f"COPY ({query}) TO STDOUT".encode()) as copy:
        return [parse_copy_line(bytes(line), columns) for line in copy]


def queried(connection: psycopg.Connection[Any], query: str) -> list[Row]:
    result = connection.execute(query.encode()).pgresult
    assert result is not None
    rows = [
        [result.get_value(row, column) for column in range(result.nfields)]
        for row in range(result.ntuples)
    ]
    return [tuple(None if value is None else value.decode() for value in row) for row in rows]


def test_every_character_comes_through(connection: psycopg.Connection[Any]) -> None:
    query = """
        SELECT chr(i), NULL::text, 'a' || chr(i) || chr(i) || '\\', '', '\\N'
          FROM generate_series(1, 55295) i ORDER BY i
    """
    expected = [(chr(i), None, f"a{chr(i)}{chr(i)}\\", "", r"\N") for i in range(1, 55296)]
    assert copied(connection, query, 5) == expected


def test_texts_of_all_types_come_through(
    connection: psycopg.Connection[Any], postgres_major: int
) -> None:
    samples = [
        sample
        for sample in TYPE_SAMPLES
        if not sample.extension and sample.since <= postgres_major and sample.type != "xml"
    ]
    for sample in samples:
        values = ", ".join(
            f"(CAST('{literal.replace(chr(39), chr(39) * 2)}' AS {sample.type}))"
            for literal in sample.literals
        )
        query = f"SELECT v, ARRAY[v, NULL] FROM (VALUES {values}) s(v)"
        assert copied(connection, query, 2) == queried(connection, query), sample.type


def test_a_table_of_one_column_and_one_of_none_come_through(
    connection: psycopg.Connection[Any],
) -> None:
    connection.execute("CREATE TABLE one (t text)")
    connection.execute("INSERT INTO one VALUES (''), (NULL), ('\\.'), (E'\\n')")
    connection.execute("CREATE TABLE none ()")
    connection.execute("INSERT INTO none DEFAULT VALUES")
    assert copied(connection, "SELECT * FROM one", 1) == [("",), (None,), ("\\.",), ("\n",)]
    assert copied(connection, "SELECT * FROM none", 0) == [()]
