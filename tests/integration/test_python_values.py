"""What ``CdcEvent.new_values`` gives to Python code, type by type, from a real stream."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from bridge.core.values import Value, ValueStyle
from tests.fixtures.databases import Database
from tests.fixtures.recorded_changes import RecordedChanges

pytestmark = pytest.mark.postgres(ordinary="all")

INFINITY = float("inf")

VALUES: tuple[tuple[str, str, Value], ...] = (
    ("int2", "-32768", -32768),
    ("int8", "9223372036854775807", 9223372036854775807),
    ("oid", "4294967295", 4294967295),
    ("xid8", "18446744073709551615", "18446744073709551615"),
    ("float4", "0.1", 0.1),
    ("float8", "-0", -0.0),
    ("float8", "5e-324", 5e-324),
    ("float8", "-Infinity", -INFINITY),
    ("float8", "NaN", float("nan")),
    ("numeric", "1.10", Decimal("1.10")),
    ("numeric", "12345678901234567890.10", Decimal("12345678901234567890.10")),
    ("numeric", "NaN", Decimal("NaN")),
    ("bool", "true", True),
    ("text", "", ""),
    ("text", "NULL", "NULL"),
    ("char(5)", "ab", "ab   "),
    ("bytea", "\\x00ff", "\\x00ff"),
    ("date", "0044-03-15 BC", "0044-03-15 BC"),
    ("timestamp", "2024-02-29 12:34:56.7", "2024-02-29T12:34:56.7"),
    ("timestamptz", "2024-02-29 12:34:56+05:30", "2024-02-29T07:04:56Z"),
    ("timestamptz", "infinity", "infinity"),
    ("timestamptz", "0044-03-15 00:00:00+00 BC", "0044-03-15 00:00:00+00 BC"),
    ("timestamptz", "10000-01-01 00:00:00+00", "10000-01-01 00:00:00+00"),
    ("timetz", "12:00:00.5-05:30", "12:00:00.5-05:30"),
    ("interval", "1 year -3 days 04:05:06.7", "1 year -3 days +04:05:06.7"),
    ("uuid", "A0EEBC999C0B4EF8BB6D6BB9BD380A11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    ("json", '{"a":1,\n"a": 2}', '{"a":1,\n"a": 2}'),
    ("jsonb", '{"a":12345678901234567890.10}', '{"a": 12345678901234567890.10}'),
    ("jsonb", "null", "null"),
    ("money", "-1234.5", "-$1,234.50"),
    ("int4range", "[1,5]", "[1,6)"),
    ("int4[]", "{1,NULL}", [1, None]),
    ("int4[]", "{}", []),
    ("int4[]", "[0:1]={1,2}", "[0:1]={1,2}"),
    ("float8[]", "{{1.5,NaN},{-0,NULL}}", [[1.5, float("nan")], [-0.0, None]]),
    ("numeric[]", "{1.10}", [Decimal("1.10")]),
    ("bool[]", "{t,f,NULL}", [True, False, None]),
    ("text[]", '{"a,b","\\"NULL\\"",NULL,"NULL",""}', ["a,b", '"NULL"', None, "NULL", ""]),
    ("box[]", "{(2,2),(1,1);(3,3),(0,0)}", ["(2,2),(1,1)", "(3,3),(0,0)"]),
    ("timestamptz[]", "{2024-01-01 00:00:00+00,infinity}", ["2024-01-01T00:00:00Z", "infinity"]),
    ("jsonb[]", '{"{\\"a\\": [1]}",NULL}', '{"{\\"a\\": [1]}",NULL}'),
    ("public.small", "7", 7),
    ("public.small[]", "{7}", [7]),
    ("public.smalls", "{7}", [7]),
    ("public.price", "1.5", Decimal("1.500")),
    ("public.document", '{"a": null}', '{"a": null}'),
    ("public.mood", "so so", "so so"),
    ("public.mood[]", '{sad,"so so"}', ["sad", "so so"]),
    ("public.pair", '(sad,"{""a"": 1}")', '(sad,"{""a"": 1}")'),
    ("public.pair[]", '{"(sad,)"}', ["(sad,)"]),
)  # fmt: skip


@pytest.mark.parametrize("int8", ["number", "string"])
@pytest.mark.parametrize("numeric", ["number", "string"])
def test_values_are_what_docs_values_says(
    newest_database: Database, int8: Any, numeric: Any
) -> None:
    connection = newest_database.connect()
    changes = RecordedChanges(newest_database)
    connection.execute("""
        CREATE DOMAIN small AS int4 CHECK (VALUE < 10);
        CREATE DOMAIN smalls AS small[];
        CREATE DOMAIN price AS numeric(9,3);
        CREATE DOMAIN document AS jsonb;
        CREATE TYPE mood AS ENUM ('sad', 'so so');
        CREATE TYPE pair AS (m mood, j jsonb);
    """)
    columns = ", ".join(f"c{n} {type_name}" for n, (type_name, _, _) in enumerate(VALUES))
    connection.execute(f"CREATE TABLE t ({columns})".encode())
    changes.publish("t")
    holders = ", ".join(f"%s::{type_name}" for type_name, _, _ in VALUES)
    connection.execute(
        f"INSERT INTO t VALUES ({holders})".encode(), [text for _, text, _ in VALUES]
    )
    connection.execute("INSERT INTO t DEFAULT VALUES")
    changes.stop()
    style = ValueStyle(int8=int8, numeric=numeric)
    for events in (changes.events("text", style), changes.reads(style)):
        row, nulls = (event.new_values for event in events)
        assert row is not None
        assert nulls is not None
        for value, (type_name, text, expected) in zip(row.values(), VALUES, strict=True):
            # repr tells True from 1, -0.0 from 0.0 and 1.10 from 1.1, and NaN equals itself in it.
            assert repr(value) == repr(expected), (type_name, text)
        assert set(nulls.values()) == {None}
