"""The SQL that expressions take: how sqlglot reads it, how operators bind, what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Final

from sqlglot import exp
from sqlglot.dialects.postgres import Postgres
from sqlglot.parsers.postgres import PostgresParser
from sqlglot.tokenizer_core import Token, TokenType


def _kept(parsers: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: parsers[name] for name in names}


class ExpressionDialect(Postgres):
    """PostgreSQL, but a function is its name and its arguments: no meaning is read into it."""

    INDEX_OFFSET = 0  # do not count subscripts in another way: it would be logged

    class Parser(PostgresParser):
        FUNCTIONS: ClassVar[dict[str, Callable[..., Any]]] = {}
        FUNCTION_PARSERS: ClassVar = _kept(
            PostgresParser.FUNCTION_PARSERS, "CAST", "EXTRACT", "POSITION", "SUBSTRING", "TRIM"
        )
        NO_PAREN_FUNCTION_PARSERS: ClassVar = _kept(
            PostgresParser.NO_PAREN_FUNCTION_PARSERS, "ANY", "CASE"
        )
        JSON_OPERATORS: ClassVar = {
            token: lambda _, this, key, kind=kind: kind(this=this, expression=key)
            for token, kind in (
                (TokenType.ARROW, exp.JSONExtract),
                (TokenType.DARROW, exp.JSONExtractScalar),
                (TokenType.HASH_ARROW, exp.JSONBExtract),
                (TokenType.DHASH_ARROW, exp.JSONBExtractScalar),
            )
        }

        def _parse_paren(self) -> exp.Expr | None:
            """Mark parentheses that were written, to tell them from those that sqlglot adds."""
            found = super()._parse_paren()
            if isinstance(found, exp.Paren):
                found.meta[WRITTEN] = True
            return found


WRITTEN: Final = "written"
SELECT = "select "

# How tightly operators bind, as in
# https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-PRECEDENCE.
OR, AND, NOT, IS, COMPARISON, RANGE, OTHER, SUM, PRODUCT, SIGN, ATOM = range(11)

BINARY: Final[dict[type[exp.Expr], tuple[str, int]]] = {
    exp.Or: ("or", OR),
    exp.And: ("and", AND),
    exp.EQ: ("=", COMPARISON),
    exp.NEQ: ("<>", COMPARISON),
    exp.LT: ("<", COMPARISON),
    exp.LTE: ("<=", COMPARISON),
    exp.GT: (">", COMPARISON),
    exp.GTE: (">=", COMPARISON),
    exp.NullSafeEQ: ("is not distinct from", IS),
    exp.NullSafeNEQ: ("is distinct from", IS),
    exp.Like: ("like", RANGE),
    exp.ILike: ("ilike", RANGE),
    exp.RegexpLike: ("~", OTHER),
    exp.RegexpILike: ("~*", OTHER),
    exp.DPipe: ("||", OTHER),
    exp.JSONExtract: ("->", OTHER),
    exp.JSONExtractScalar: ("->>", OTHER),
    exp.JSONBExtract: ("#>", OTHER),
    exp.JSONBExtractScalar: ("#>>", OTHER),
    exp.Add: ("+", SUM),
    exp.Sub: ("-", SUM),
    exp.Mul: ("*", PRODUCT),
    exp.Div: ("/", PRODUCT),
    exp.Mod: ("%", PRODUCT),
}
LEFT_ASSOCIATIVE: Final = {OR, AND, OTHER, SUM, PRODUCT}
OTHER_LEVELS: Final[dict[type[exp.Expr], int]] = {
    exp.Not: NOT,
    exp.Is: IS,
    exp.In: RANGE,
    exp.Between: RANGE,
    exp.Escape: RANGE,
    exp.Neg: SIGN,
}

UNSUPPORTED: Final[dict[type[exp.Expr], str]] = {
    exp.Subquery: "a subquery",
    exp.Select: "a subquery",
    exp.Exists: "a subquery",
    exp.Parameter: "a parameter",
    exp.Placeholder: "a parameter",
    exp.Window: "a window function",
    exp.Filter: "an aggregate function",
    exp.Star: "*",
    exp.Tuple: "a row value",
    exp.Bracket: "a subscript",
    exp.AtTimeZone: "AT TIME ZONE",
    exp.Collate: "COLLATE; texts compare by code point",
    exp.SimilarTo: "SIMILAR TO",
    exp.ByteString: "an E'' or b'' string",
    exp.UnicodeString: "a U&'' string",
    exp.HexString: "a hexadecimal constant",
    exp.BitString: "a bit string",
    exp.Pow: "the operator ^",
    exp.Interval: "this interval; write interval '1 day 02:00:00'",
    exp.Alias: "an alias, or a word too many",
}
CLOCKS: Final = (
    exp.CurrentTimestamp,
    exp.CurrentDate,
    exp.CurrentTime,
    exp.Localtime,
    exp.Localtimestamp,
)
CLOCK_FUNCTIONS: Final = {
    "now",
    "clock_timestamp",
    "statement_timestamp",
    "transaction_timestamp",
    "timeofday",
    "age",
}
AGGREGATES: Final = {
    "array_agg",
    "avg",
    "bool_and",
    "bool_or",
    "count",
    "every",
    "json_agg",
    "jsonb_agg",
    "max",
    "min",
    "string_agg",
    "sum",
}


def level(node: exp.Expr) -> int:
    """Return how tightly the operator of a node binds; a name or a call binds tightest."""
    if isinstance(node, exp.Paren) and WRITTEN not in node.meta:
        return level(node.this)
    kind = type(node)
    if kind in BINARY:
        return BINARY[kind][1]
    return OTHER_LEVELS.get(kind, ATOM)


def with_plain_intervals(tokens: list[Token]) -> list[Token]:
    """Write ``interval '1 day'`` as ``'1 day'::interval``: sqlglot would read into the text."""
    rewritten: list[Token] = []
    for token in tokens:
        before = rewritten[-1] if rewritten else None
        is_literal = before is not None and before.token_type is TokenType.INTERVAL
        if before is not None and is_literal and token.token_type is TokenType.STRING:
            cast = Token(TokenType.DCOLON, "::", before.line, before.col, before.start, before.end)
            rewritten[-1:] = [token, cast, before]
        else:
            rewritten.append(token)
    return rewritten
