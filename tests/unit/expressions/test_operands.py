"""Moments and operands: values in a form that can be computed with and kept in order."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.core.errors import ConfigError
from bridge.expressions import EvaluationError, Expression
from bridge.expressions.calls import AggregateCall, read_call
from bridge.expressions.operands import Double, Moment, Operand
from bridge.expressions.types import SqlType
from tests.fixtures.events import TIMESTAMP, make_event, make_relation

TABLE = make_relation(
    {"ts": "timestamptz", "local": "timestamp", "day": "date", "n": "numeric", "span": "interval",
     "list": "_timestamptz", "t": "text"}
)  # fmt: skip
ROW = ("2024-01-01 00:00:01.5+00", "2024-01-01 00:00:01", "2024-01-01", "1.50", "1 day",
       '{"2024-01-01 00:00:00+00",NULL}', "x")  # fmt: skip
MIDNIGHT = 1_704_067_200_000_000
EVENT = make_event(row=ROW, relation=TABLE)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ts", MIDNIGHT + 1_500_000),
        ("new.local", MIDNIGHT + 1_000_000),
        ("day", MIDNIGHT),
        ("ts + interval '1 minute'", MIDNIGHT + 61_500_000),
        ("commit_time", TIMESTAMP),
        ("'infinity'::timestamptz", float("inf")),
        ("case when n > 5 then ts end", None),
    ],
)
def test_a_moment_is_microseconds(text: str, expected: Any) -> None:
    found: Any = Moment(text)(EVENT)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize("text", ["n", "t", "span"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="stands where timestamptz is needed; cast it"):
        Moment(text).check(TABLE)


@pytest.mark.parametrize(
    ("text", "sql_type", "expected"),
    [
        ("ts", "timestamptz", MIDNIGHT + 1_500_000),
        ("day", "date", 19_723),
        ("span", "interval", "1 day"),
        ("list", "timestamptz[]", ["2024-01-01T00:00:00Z", None]),
        ("'a'", "text", "a"),
        ("null", "text", None),
    ],
)
def test_an_operand_keeps_its_order(text: str, sql_type: str, expected: Any) -> None:
    operand = Operand(text)
    assert operand.type_of(TABLE).name == sql_type
    assert operand(EVENT) == expected


def test_a_double_is_a_float_of_any_number() -> None:
    assert Double("n")(EVENT) == 1.5
    assert Double("n").type_of(TABLE) == SqlType("double precision")
    with pytest.raises(EvaluationError):
        Double("n * 1e300 * 1e300")(EVENT)


@pytest.mark.parametrize(
    ("text", "label"),
    [("n", "n"), ("new.n", "n"), ('"A b"', "A b"), ("commit_time",) * 2, ("n + 1", "n + 1")],
)  # fmt: skip
def test_the_label_of_a_column_is_its_name(text: str, label: str) -> None:
    assert Expression(text).label == label


def test_what_an_expression_reads_of_the_event_is_known() -> None:
    expression = Expression("operation || new.t || row_id || operation")
    assert expression.properties == ("operation", "row_id")


@pytest.mark.parametrize(
    ("text", "call"),
    [
        ("count()", AggregateCall("count", ())),
        (" Sum ( new.a ) ", AggregateCall("sum", ("new.a",))),
        ("count(distinct a)", AggregateCall("count_distinct", ("a",))),
        ("count(distinctive)", AggregateCall("count", ("distinctive",))),
        ("top_k(coalesce(a, b), 3)", AggregateCall("top_k", ("coalesce(a, b)", "3"))),
        ("last(array[1, 2])", AggregateCall("last", ("array[1, 2]",))),
        ("first('it''s, (' || \"a)\")", AggregateCall("first", ("'it''s, (' || \"a)\"",))),
    ],
)
def test_a_call_is_taken_apart(text: str, call: AggregateCall) -> None:
    assert read_call(text) == call
