"""Expressions over more than one event: both sides of a join, and what a pattern has accepted."""

from __future__ import annotations

import pytest

from bridge.core.errors import ConfigError
from bridge.expressions import compile_condition, compile_value
from tests.fixtures.events import make_event

SIDES = ("left", "right")


def wrong(text: str, **names: tuple[str, ...]) -> str:
    with pytest.raises(ConfigError) as caught:
        (compile_value if "rows" in names else compile_condition)(text, **names)
    return str(caught.value)


def test_a_column_belongs_to_one_of_the_rows() -> None:
    expression = compile_value('upper(left.name) || right."Na me"', rows=SIDES)
    assert expression.columns == (("left", "name"), ("right", "Na me"))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("left.name", "Ada"),
        ("LEFT.Name", "Ada"),
        ("left(left.name, 2)", "Ad"),
        ("right(right.name, 1) || right.id::text", "a7"),
    ],
)
def test_the_row_of_an_event_is_read_under_the_name_of_its_side(text: str, value: str) -> None:
    assert compile_value(text, rows=SIDES)(make_event(row=("7", "Ada"))) == value


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("name", "which name is meant? Write left.name or right.name"),
        ("operation", "which operation is meant?"),
        ("new.name", "unknown row new: there are left and right"),
        ("lefd.name", "unknown row lefd"),
        ("sum(left.id)", "aggregates"),
    ],
)
def test_a_row_has_to_be_named(text: str, problem: str) -> None:
    assert problem in wrong(text, rows=SIDES)


def test_rows_of_joins_are_unknown_elsewhere() -> None:
    assert "unknown row left: there are new and old" in wrong("left.id = 1")


def test_a_condition_says_what_it_reads_of_earlier_events() -> None:
    condition = compile_condition(
        'new.a > SUM(small."B b") and count(small) > 1 and last(Large.c) = first(large.c)',
        steps=("small", "large"),
    )
    assert condition.columns == (("new", "a"),)
    assert [term.label for term in condition.earlier] == [
        "sum(small.B b)",
        "count(small)",
        "last(large.c)",
        "first(large.c)",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("last(smal.a) = 1", "there is no step smal (did you mean small?)"),
        ("last(small) = 1", "written last(step.column)"),
        ("last(a.small.b) = 1", "written last(step.column)"),
        ("last(small.a, 1) = 1", "written last(step.column)"),
        ("last(small.a + 1) = 1", "written last(step.column)"),
        ("count() = 1", "written count(step)"),
        ("count(*) = 1", "written count(step)"),
        ("count(small.a) = 1", "written count(step)"),
        ("avg(small.a) = 1", "aggregates"),
    ],
)
def test_what_is_asked_of_earlier_events_has_one_form(text: str, problem: str) -> None:
    message = wrong(text, steps=("small",))
    assert problem in message
    assert message.endswith("^")


def test_there_are_no_earlier_events_outside_of_patterns() -> None:
    assert "aggregates" in wrong("sum(new.a) = 1")
    assert "unknown function last()" in wrong("last(new.a) = 1")
