"""What is refused when an expression is loaded, in which words, and where the caret stands."""

from __future__ import annotations

import logging

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.core.errors import ConfigError
from bridge.expressions import compile_condition, compile_value

REFUSED = [
    ("", "empty", None),
    ("   ", "empty", None),
    ("-- nothing", "no expression", None),
    ("lenght(a) > 1", "unknown function lenght() (did you mean length?)", 0),
    ("1 = nothing_like_it()", "unknown function nothing_like_it()", 4),
    ("a = (select 1)", "do not support a subquery", 12),
    ("exists (select 1)", "do not support a subquery", 15),
    ("a in (select 1)", "IN needs a list", 0),
    ("count(*) > 1", "do not support aggregates such as count()", 0),
    ("a > 1 and max(b) > 2", "do not support aggregates such as max()", 10),
    ("sum(a) over () > 1", "do not support a window function", 0),
    ("a = $1", "do not support a parameter", 5),
    ("a = :p", "do not support a parameter", None),
    ("a = ?", "", None),
    ("a = 1; b = 2", "only one expression", 5),
    ("a, b", "only one expression", 3),
    ("a from t", "no query", 7),
    ("a from t where b", "no query", None),
    ("distinct a", "no query", None),
    ("1 union select 2", "no expression", None),
    ("a b", "a word too many", 0),
    ("now() > a", "no clock", 0),
    ("a > current_timestamp", "no clock", None),
    ("a > clock_timestamp()", "no clock", 4),
    ("a.b = 1", "unknown row a: there are new and old", 0),
    ("x.new.a = 1", "new.name, old.name or name", 0),
    ("new.*", "*", 0),
    ("(a, b) = (1, 2)", "a row value", 1),
    ("a[1]", "a subscript", 0),
    ("a at time zone 'utc'", "AT TIME ZONE", 0),
    ("a collate \"C\" = 'x'", "COLLATE", 0),
    ("a similar to 'x'", "SIMILAR TO", 0),
    ("a = E'\\n'", "E''", 4),
    ("a ^ 2", "the operator ^", 0),
    ("a & 1 = 1", "BitwiseAnd", 0),
    ("a::money", "the type money", 0),
    ("a::nothing", "the type nothing", 0),
    ("a::text(x)", "", None),
    ("length(a, b)", "length() takes 1 argument, not 2", 0),
    ("nullif(a)", "nullif() takes 2 arguments, not 1", 0),
    ("coalesce()", "coalesce() takes at least 1 argument, not 0", 0),
    ("pg_sleep(1)", "unknown function pg_sleep()", 0),
    ("pg_catalog.lower(a)", "Dot", 0),
    ("a = 'x", "is not closed", 6),
    ("a = /* x", "", None),
    ("a and", "cannot be read", None),
    ("(a", "cannot be read", None),
    ("a ~ b || c", "parentheses are needed", 4),
    ("a < b = c", "parentheses are needed", 0),
    ("a = b is null is null", "parentheses are needed", 0),
    ("a is json", "IS is followed by", 0),
    ("1 = 'one'", "this text is no integer", 0),
    ("'2024-02-30'::date = '2024-01-01'", "this text is no date", 0),
    ("1 / 0 = 1", "division by zero", 0),
    ("1", "integer stands where boolean is needed", 0),
    ("'x' = 1 and true", "this text is no integer", 0),
    ("1 = 1 and 'x' || 1", "text stands where boolean is needed", 10),
    ("lower(1) = 'x'", "lower does not take (integer)", 0),
    ("'1' + '2' = 3", "+ does not take (a quoted literal, a quoted literal)", 0),
    ("extract(century from interval '1 day') = extract(weak from commit_time)", "week", None),
    ("date_trunc('mnth', commit_time) = commit_time", "did you mean month?", None),
    ("interval '1 lightyear' > '1 day'", "this text is no interval", None),
    ("operation ~ '('", "this is no regular expression", 0),
    ("operation ~ '(a{100}){100}'", "too large", 0),
    ("operation ~ 'a(?=b)'", "(?: )", 0),
    ("operation ~ 'a**'", "this is no regular expression", 0),
    ("operation ~ '(a)\\1'", "do not support \\1", 0),
    ("operation ~ '\\m'", "do not support \\m", 0),
    ("operation ~ '(?<=a)b'", "(?: )", 0),
    ("operation ~ '[[:alpha:]]'", "write [a-z]", 0),
    ("operation ~ table", "has to be a literal", 0),
    ("operation like 'x\\'", "ends in its escape character", 0),
    ("table -> 'a' = '1'", "-> does not take (text, a quoted literal)", 0),
    ("1e200000 > 1", "no number that a numeric holds", 0),
    ("1 = any(2)", "any() needs an array, not integer", 0),
]


@pytest.mark.parametrize(("text", "problem", "at"), REFUSED)
def test_what_is_refused(
    text: str, problem: str, at: int | None, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG), pytest.raises(ConfigError) as caught:
        compile_condition(text)

    message = str(caught.value)
    assert problem in message
    if at is not None:
        assert message.endswith(f":\n    {text}\n    {' ' * at}^")
    assert caught.value.__cause__ is None
    assert caplog.records == []  # sqlglot would log what it read


def test_the_caret_stands_under_the_right_line() -> None:
    with pytest.raises(ConfigError) as caught:
        compile_condition("table = 'a'\n\tand lenght(table) > 1\n  and true")

    assert str(caught.value).endswith("\n    \tand lenght(table) > 1\n         ^")


@pytest.mark.parametrize(
    "text",
    [
        "(" * 100_000 + "1" + ")" * 100_000,
        "(" * 4000 + "1" + ")" * 4000,
        "(" * 41 + "true" + ")" * 41,
        "not " * 2000 + "true",
        "- " * 4000 + "1",
        "1" + " + 1" * 2000,
        "'a'" + " || 'a'" * 1000,
        "case when true then " * 400 + "1" + " end" * 400,
        "lower(" * 1000 + "'a'" + ")" * 1000,
        "1" + "::int" * 1500,
        "array[" * 1500 + "1" + "]" * 1500,
        "coalesce(" * 500 + "1" + ",1)" * 500,
    ],
)
def test_deep_nesting_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"levels deep|nested too deeply|longer than"):
        compile_value(text)


def test_long_lists_are_welcome() -> None:
    conditions = " or ".join(f"table = 't{n}'" for n in range(300))
    items = ", ".join(str(n) for n in range(1000))

    assert compile_value(conditions)
    assert compile_value(f"length(table) in ({items})")
    assert compile_value("(" * 20 + "table" + ")" * 20)


@pytest.mark.parametrize("depth", range(1, 41))
def test_what_is_not_too_deep_compiles(depth: int) -> None:
    for nested in (
        "lower(" * depth + "table" + ")" * depth,
        "table" + " || table" * depth,
        "not (" * (depth // 2) + "table = 'a'" + ")" * (depth // 2),
        "coalesce(" * depth + "table" + ", schema)" * depth,
        "case when table = 'a' then " * (depth // 2) + "1" + " else 2 end" * (depth // 2),
    ):
        try:
            compile_value(nested)
        except ConfigError as error:  # never another error
            assert "deep" in str(error)  # noqa: PT017
            assert depth > 30


TOKENS = st.sampled_from(
    [
        "new",
        ".",
        "old",
        "a",
        '"b',
        'c"',
        "'x'",
        "'%'",
        "1",
        "2.5",
        "-1",
        "(",
        ")",
        "[",
        "]",
        ",",
        ";",
        "+",
        "-",
        "*",
        "/",
        "%",
        "||",
        "->",
        "->>",
        "#>>",
        "=",
        "<>",
        "<",
        ">=",
        "~",
        "~*",
        "!~",
        "::",
        "int",
        "numeric",
        "text[]",
        "and",
        "or",
        "not",
        "is",
        "null",
        "true",
        "distinct",
        "from",
        "in",
        "any",
        "all",
        "array",
        "between",
        "like",
        "ilike",
        "escape",
        "case",
        "when",
        "then",
        "else",
        "end",
        "cast",
        "as",
        "extract",
        "year",
        "substring",
        "for",
        "trim",
        "both",
        "position",
        "interval",
        "date",
        "timestamp",
        "lower",
        "coalesce",
        "nullif",
        "greatest",
        "concat",
        "round",
        "date_trunc",
        "select",
        "*",
        "$1",
        ":p",
        "?",
        "@",
        "&",
        "^",
        "{",
        "}",
        "--",
        "/*",
        "*/",
        "where",
        "over",
        "filter",
        "collate",
        "at",
        "time",
        "zone",
        "current_date",
        "now",
        "operation",
        "commit_time",
        "E'x'",
        "$$",
        "U&'x'",
        "if",
        "exists",
        "with",
        "union",
        "limit",
        "order",
        "by",
        "group",
    ]
)


@settings(
    max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(TOKENS, max_size=12).map(" ".join))
def test_any_row_of_tokens_is_an_expression_or_a_clear_error(
    caplog: pytest.LogCaptureFixture, text: str
) -> None:
    with caplog.at_level(logging.DEBUG):
        try:
            compile_value(text)
        except ConfigError as error:
            assert str(error)  # noqa: PT017
    assert caplog.records == []
