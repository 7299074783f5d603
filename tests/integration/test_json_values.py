"""Values in JSON, with real servers as the judge: json_populate_record gives back the same row."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
import pytest
from psycopg import sql

from bridge.core.events import EventBatch
from bridge.core.relation import Relation, ReplicaIdentity, make_columns
from bridge.core.types import TypeInfo
from bridge.core.values import ValueStyle
from sinks.formats import encode_batch
from tests.fixtures.catalog_types import read_types
from tests.fixtures.databases import Database
from tests.fixtures.events import make_event
from tests.fixtures.type_samples import TYPE_SAMPLES, TypeSample

pytestmark = pytest.mark.postgres(ordinary="ends")

SESSION = (
    "-c datestyle=ISO,MDY -c intervalstyle=postgres -c timezone=UTC -c bytea_output=hex"
    " -c extra_float_digits=3 -c lc_monetary=C"
)
EXTENSIONS = sorted({sample.extension for sample in TYPE_SAMPLES if sample.extension})
UNREADABLE = {'"\\u0000"'}
"""A document that the type json holds and that json_populate_record refuses to read."""

Row = tuple[str | None, ...]
Change = tuple[str, str | None, str | None]


@pytest.fixture
def connection(database: Database) -> psycopg.Connection[Any]:
    return database.connect(options=SESSION)


def fill_table(connection: psycopg.Connection[Any], number: int, sample: TypeSample) -> None:
    """Make the table ``t<number>`` with a row for each value: alone, in a domain, in arrays."""
    literals = [literal for literal in sample.literals if literal not in UNREADABLE]
    parts = {
        "table": sql.Identifier(f"t{number}"),
        "domain": sql.Identifier(f"d{number}"),
        "pair": sql.Identifier(f"p{number}"),
        "type": sql.SQL(sample.type),
        "every": sql.SQL(", ").join(map(sql.Literal, literals)),
    }
    for statement in (
        "CREATE DOMAIN {domain} AS {type}",
        "CREATE TYPE {pair} AS (a {type}, b {type}[])",
        "CREATE TABLE {table} (v {type}, domain {domain}, list {type}[], grid {type}[][],"
        " shifted {type}[], nothing {type}[], pair {pair}, pairs {pair}[])",
        """
        WITH every AS (SELECT CAST(ARRAY[{every}, NULL] AS {type}[]) AS list)
        INSERT INTO {table}
        SELECT v, v, list, ARRAY[[v, NULL], [NULL, v]],
               CAST('[-1:' || cardinality(list) - 2 || ']=' || CAST(list AS text) AS {type}[]),
               '{{}}', CAST(ROW(v, list) AS {pair}), ARRAY[CAST(ROW(v, list) AS {pair}), NULL]
          FROM every, unnest(list) AS v
        """,
    ):
        connection.execute(sql.SQL(statement).format(**parts))


def read_relation(
    connection: psycopg.Connection[Any],
    number: int,
    types: Mapping[int, TypeInfo],
    style: ValueStyle,
) -> Relation:
    cursor = connection.execute(
        "SELECT attname, atttypid::bigint FROM pg_attribute"
        " WHERE attrelid = CAST(%s AS regclass) AND attnum > 0 ORDER BY attnum",
        [f"t{number}"],
    )
    described = [(name, int(oid), -1, False) for name, oid in cursor.fetchall()]
    return Relation(
        oid=1,
        schema="public",
        table=f"t{number}",
        replica_identity=ReplicaIdentity.NOTHING,
        columns=make_columns(described, types, style),
    )


def changed_by_json(connection: psycopg.Connection[Any], relation: Relation) -> list[Change]:
    """Return (column, text, text after the way through JSON) where they differ."""
    names = [column.name for column in relation.columns]
    columns = sql.SQL(", ").join(map(sql.Identifier, names))
    table = sql.Identifier(str(relation.table))
    rows = printed(connection, sql.SQL("SELECT {} FROM {}").format(columns, table))
    lines = encode_batch(EventBatch([make_event(row=row, relation=relation) for row in rows]))
    # Through the server's parser alone: Python's would round numbers.
    values = [
        line[line.index('"new_values":') + 13 : line.rindex(',"old_values":null')] for line in lines
    ]
    query = sql.SQL("SELECT {} FROM json_populate_recordset(NULL::{}, {})")
    array = sql.Literal(f"[{','.join(values)}]")
    found = []
    for line, row, back in zip(
        lines, rows, printed(connection, query.format(columns, table, array)), strict=True
    ):
        nulls = json.loads(line, parse_int=str).get("json_nulls", ())
        for name, before, after in zip(names, row, back, strict=True):
            if before != after and f"new_values.{name}" not in nulls:
                found.append((name, before, after))
    return found


def printed(connection: psycopg.Connection[Any], query: sql.Composed) -> list[Row]:
    """Return the rows of a query as the server prints them."""
    result = connection.execute(query).pgresult
    assert result is not None
    return [
        tuple(
            None if value is None else value.decode()
            for value in (result.get_value(row, column) for column in range(result.nfields))
        )
        for row in range(result.ntuples)
    ]


def same_document(before: str | None, after: str | None) -> bool:
    """Whether two texts of the type json differ in spaces and escapes alone."""

    def read(text: str) -> Any:
        return json.loads(text, parse_int=str, parse_float=str, object_pairs_hook=list)

    return before is not None and after is not None and bool(read(before) == read(after))


def check(
    connection: psycopg.Connection[Any],
    samples: Sequence[TypeSample],
    style: ValueStyle | None = None,
) -> None:
    for number, sample in enumerate(samples):
        fill_table(connection, number, sample)
    types = read_types(connection)
    found = {}
    for number, sample in enumerate(samples):
        relation = read_relation(connection, number, types, style or ValueStyle())
        changed = changed_by_json(connection, relation)
        if sample.type == "json":
            changed = [c for c in changed if c[0] == "list" or not same_document(*c[1:])]
        if changed:
            found[sample.type] = changed
    assert found == {}


def has_xml(connection: psycopg.Connection[Any]) -> bool:
    try:
        connection.execute("SELECT '<a/>'::xml")
    except psycopg.errors.FeatureNotSupported:
        return False
    return True


def test_every_built_in_type_comes_back_identical(
    connection: psycopg.Connection[Any], postgres_major: int
) -> None:
    samples = [s for s in TYPE_SAMPLES if not s.extension and s.since <= postgres_major]
    if not has_xml(connection):
        samples = [s for s in samples if s.type != "xml"]
    check(connection, samples)


def test_numbers_come_back_identical_in_the_other_style(
    connection: psycopg.Connection[Any], postgres_major: int
) -> None:
    samples = [s for s in TYPE_SAMPLES if s.type in ("int8", "numeric")]
    check(
        connection,
        [s for s in samples if s.since <= postgres_major],
        ValueStyle(int8="string", numeric="number"),
    )


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_the_types_of_an_extension_come_back_identical(
    connection: psycopg.Connection[Any], postgres_major: int, extension: str
) -> None:
    available = connection.execute(
        "SELECT 1 FROM pg_available_extensions WHERE name = %s", [extension]
    ).fetchone()
    if available is None:
        pytest.skip(f"this server has no extension {extension}")
    connection.execute(
        sql.SQL("CREATE EXTENSION {} SCHEMA public").format(sql.Identifier(extension))
    )
    known = {row[0] for row in connection.execute("SELECT typname FROM pg_type").fetchall()}
    check(
        connection,
        [
            s
            for s in TYPE_SAMPLES
            if s.extension == extension
            and s.since <= postgres_major
            and s.type.removeprefix("public.") in known
        ],
    )
