"""The meaning of expressions without a server; ``tests/integration`` lets PostgreSQL judge them."""

from __future__ import annotations

import itertools
from decimal import Decimal

import pytest

from bridge.expressions import EvaluationError, compile_condition, compile_value
from tests.fixtures.events import make_event, make_relation

THREE = {"t": True, "f": False, None: None}
PAIR = make_relation({"a": "bool", "b": "bool"})


@pytest.mark.parametrize(("a", "b"), [*itertools.product(THREE, repeat=2)])
def test_three_valued_logic(a: str | None, b: str | None) -> None:
    event = make_event(row=(a, b), relation=PAIR)
    left, right = THREE[a], THREE[b]

    both = False if False in (left, right) else None if None in (left, right) else True
    either = True if True in (left, right) else None if None in (left, right) else False
    same = None if None in (left, right) else left == right

    assert compile_condition("a and b")(event) is both
    assert compile_condition("a or b")(event) is either
    assert compile_condition("a = b")(event) is same
    assert compile_condition("not a")(event) is (None if left is None else not left)
    assert compile_condition("a is not distinct from b")(event) is (left == right)
    assert compile_condition("a is true")(event) is (left is True)
    assert compile_condition("a is not false")(event) is (left is not False)
    assert compile_condition("a is unknown")(event) is (left is None)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("7 / 2", 3),
        ("-7 / 2", -3),
        ("-7 % 3", -1),
        ("7 / 2.0", Decimal("3.5000000000000000")),
        ("1 / 3.0", Decimal("0.33333333333333333333")),
        ("1.10 * 2.5", Decimal("2.750")),
        ("0.1 + 0.2", Decimal("0.3")),
        ("12345678901234567890123456789012345 + 0.5",
         Decimal("12345678901234567890123456789012345.5")),
        ("0.1::float8 + 0.2::float8", 0.30000000000000004),
        ("0.1::real = 0.1", False),
        ("0.1::real = '0.1'", True),
        ("'NaN'::numeric = 'NaN' and 'NaN'::numeric > 1e300", True),
        ("'NaN'::float8 = 'NaN' and 'NaN'::float8 > 'Infinity'", True),
        ("'NaN'::float8 / 0", float("nan")),
        ("round(2.5)", Decimal(3)),
        ("round(2.5::float8)", 2.0),
        ("round(1234.567, -2)", Decimal(1200)),
        ("1234567.891::numeric(9,2)", Decimal("1234567.89")),
        ("'Z' < 'a'", True),
        ("'a' < 'ä' and 'ä' < '\U0001f600'", True),
        ("'x ' = 'x'", False),
        ("'x '::char = 'x'::char", True),
        ("'1.5' || 2", "1.52"),
        ("concat('a', null, 1, true)", "a1t"),
        ("coalesce(null, 2.5, 1)", Decimal("2.5")),
        ("nullif(1, 1.0)", None),
        ("greatest(1, null, 2.5)", Decimal("2.5")),
        ("1 in (2, null)", None),
        ("1 not in (2, 3)", True),
        ("2 = any('{1,2,null}')", True),
        ("3 = any(array[1, null])", None),
        ("3 <> all(array[1, 2])", True),
        ("2 between symmetric 3 and 1", True),
        ("case 2 when 1 then 'a' when 2 then 'b' end", "b"),
        ("case when null then 1 end", None),
        ("date '0044-03-15 BC' < '0001-01-01'", True),
        ("timestamptz 'infinity' > '9999-12-31'", True),
        ("timestamptz '2024-02-29 12:00+05:30'", "2024-02-29T06:30:00Z"),
        ("date '2024-02-29' + 1", "2024-03-01"),
        ("date '2024-03-01' - date '2023-03-01'", 366),
        ("timestamp '2024-01-31' + interval '1 month'", "2024-02-29T00:00:00"),
        ("timestamp '2024-03-01' - timestamp '2024-02-28 12:00'", "1 day 12:00:00"),
        ("interval '1 day' = interval '24 hours'", True),
        ("interval '-1 year 2 days'", "-1 years +2 days"),
        ("extract(epoch from timestamptz '1970-01-02')", Decimal("86400.000000")),
        ("extract(week from date '2021-01-03')", Decimal(53)),
        ("date_trunc('quarter', timestamp '2024-05-17')", "2024-04-01T00:00:00"),
        ("""'{"a": [1, {"b": 2.50}]}'::jsonb -> 'a' -> 1 ->> 'b'""", "2.50"),
        ("""'{"a": null}'::json ->> 'a'""", None),
        ("""'{"a": 1.0, "b": true}'::jsonb = '{"b": true, "a": 1}'""", True),
        ("""'true'::jsonb = '1'""", False),
        ("'0/10'::pg_lsn > '0/9'", True),
        ("upper('straße')", "STRAßE"),
        ("substring('abcdef' from 0 for 3)", "ab"),
        ("right('abc', -1) || left('abc', -1)", "bcab"),
        ("split_part('a,b,c', ',', -1)", "c"),
    ],
)  # fmt: skip
def test_values(text: str, value: object) -> None:
    found = compile_value(text)(make_event())

    # repr tells True from 1, and 1.0 from 1.00; NaN equals itself in it.
    assert repr(found) == repr(value)


@pytest.mark.parametrize(
    ("text", "row"),
    [
        ("x / 0", "1"),
        ("x % (x - x)", "1"),
        ("1.0 / (x - x)", "1"),
        ("1::float8 / (x - x)", "1"),
        ("x + 1", str(2**31 - 1)),
        ("x * x", "65536"),
        ("-x", str(-(2**31))),
        ("x::smallint", "40000"),
        ("(x::text || 'e')::int", "1"),
        ("x::numeric(3,1)", "1000"),
        ("(x::float8 * 1e308)::float8", "1000"),
        ("substring('abc' from 1 for x)", "-1"),
        ("split_part('a', ',', x)", "0"),
        ("(x || '-02-30')::date", "2024"),
        ("date '2024-01-01' + x", str(2**31 - 1)),
    ],
)
def test_what_has_no_value_fails_for_its_event_alone(text: str, row: str) -> None:
    relation = make_relation({"x": "int4"})
    expression = compile_value(text)

    with pytest.raises(EvaluationError) as caught:
        expression(make_event(row=(row,), relation=relation))
    assert repr(text) in str(caught.value)
    assert expression(make_event(row=(None,), relation=relation)) is None


def test_what_decides_is_not_followed_by_more() -> None:
    relation = make_relation({"x": "int4"})
    event = make_event(row=("0",), relation=relation)

    assert compile_condition("x <> 0 and 10 / x > 1")(event) is False
    assert compile_condition("x = 0 or 10 / x > 1")(event) is True
    assert compile_value("case when x <> 0 then 10 / x else -1 end")(event) == -1
    assert compile_value("coalesce(x, 10 / x)")(event) == 0
