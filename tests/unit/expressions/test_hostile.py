"""Names and literals that try to become code, and patterns that try to hang."""

from __future__ import annotations

import ast
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.core.errors import ConfigError
from bridge.expressions import EvaluationError, compile_condition, compile_value, compiler
from tests.fixtures.events import make_event, make_relation

HOSTILE = [
    "'",
    '"',
    "\\",
    "{0}",
    "{",
    "}}",
    "%s",
    "\n",
    "__import__('os').system('true')",
    "x'); raise SystemExit #",
    '") or True or ("',
    "\u2028",
    "\ud7ff",
    "c1",
    "t1",
    "event",
    "nulls",
]


def quoted(text: str, mark: str) -> str:
    return mark + text.replace(mark, mark * 2) + mark


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_a_name(name: str) -> None:
    relation = make_relation({name: "text", "other": "int8"})
    event = make_event(row=("value", "1"), relation=relation)

    assert compile_value(f"new.{quoted(name, chr(34))}")(event) == "value"
    assert compile_condition(f"{quoted(name, chr(34))} = 'value' and other = 1")(event) is True


@pytest.mark.parametrize("value", HOSTILE)
def test_a_hostile_literal_is_a_value(value: str) -> None:
    literal = quoted(value, "'")
    relation = make_relation({"x": "text"})
    event = make_event(row=(value,), relation=relation)

    assert compile_value(literal)(event) == value
    assert compile_value(f"concat(x, {literal})")(event) == value * 2
    assert compile_condition(f"x = {literal} and x in ({literal}, 'a')")(event) is True
    assert compile_condition(f"case x when {literal} then true end")(event) is True
    assert compile_condition(f"strpos(x, {literal}) = 1")(event) is True


@settings(deadline=None)
@given(st.text(max_size=30), st.text(min_size=1, max_size=20))
def test_any_literal_and_any_name(value: str, name: str) -> None:
    value, name = value.replace("\0", ""), name.replace("\0", "x")
    relation = make_relation({name: "text"})
    event = make_event(row=(value,), relation=relation)
    text = f"new.{quoted(name, chr(34))} = {quoted(value, chr(39))}"

    assert compile_condition(text)(event) is True


def test_the_generated_code_holds_nothing_of_the_expression(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sources: list[str] = []

    def spy(source: str, *arguments: Any) -> Any:
        sources.append(source)
        return compile(source, *arguments)

    monkeypatch.setattr(compiler, "compile", spy, raising=False)
    relation = make_relation({"hostile name": "text", "b": "int8", "j": "jsonb", "a": "_text"})
    compile_value(
        "case when \"hostile name\" = 'hostile' and b > 12345 then j ->> 'hostile'"
        " else replace(\"hostile name\", 'hostile', '12345') end like '%hostile%'"
        " or 'hostile' = any(a) or b in (12345, b) or extract(year from commit_time) > 12345"
    ).check(relation)

    [source] = sources
    names = {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}
    assert "hostile" not in source
    assert "12345" not in source
    assert all(
        name in {"event", "nulls", "row", "type", "PartialRow", "completed", "item", "operations"}
        or name[1:].isdigit()
        for name in names
    )


@pytest.mark.parametrize("text", ["__class__", "event", "nulls", "row", "new", "c10", "len"])
def test_names_of_the_generated_code_are_out_of_reach(text: str) -> None:
    with pytest.raises(ConfigError, match="has no column"):
        compile_value(text)(make_event())


def test_a_text_does_not_grow_without_bound() -> None:
    relation = make_relation({"x": "text"})
    event = make_event(row=("a" * 100_000,), relation=relation)

    with pytest.raises(EvaluationError, match="too long"):
        compile_value("replace(x, 'a', x)")(event)


def test_a_number_does_not_grow_without_bound() -> None:
    relation = make_relation({"x": "numeric"})
    event = make_event(row=("9" * 100_000,), relation=relation)

    with pytest.raises(EvaluationError, match="out of range"):
        compile_value("x * x")(event)


def test_hostile_documents_are_errors_of_their_event() -> None:
    relation = make_relation({"j": "json"})
    for document in ("[" * 100_000, '{"a":', '"\\ud800"', "{"):
        event = make_event(row=(document,), relation=relation)
        for text in ("j -> 'a' ->> 'b'", "j -> 0", "j #>> '{}'", "j ->> 'a'"):
            try:
                compile_value(text)(event)
            except EvaluationError:
                continue
