"""From the tree of an expression to Flink SQL that means the same.

Only what means the same is written: a function or an operator whose NULLs, rounding or overflow
differ in Flink is an error with its place, not a surprise in a result.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Final

from bridge.core.errors import ConfigError
from bridge.expressions.errors import EvaluationError, wrong
from bridge.expressions.intervals import parse_interval
from bridge.expressions.tree import (
    Call,
    Case,
    Cast,
    ColumnName,
    Constant,
    Earlier,
    EventName,
    Node,
)
from bridge.flink.types import (
    BIGINT,
    BOOLEAN,
    DATE,
    DOUBLE,
    INSTANT,
    INT,
    MAX_DIGITS,
    SMALLINT,
    STRING,
    TEXTUAL,
    TIMESTAMP,
    UNKNOWN,
    FlinkType,
    decimal,
    interval,
    literal,
)
from bridge.flink.values import EXACT, MOMENTS, Sql, fits, number, typed, widest

COMPARISONS: Final = ("=", "<>", "<", "<=", ">", ">=")
_ORDERED: Final = ("integer", "decimal", "float", "text", "boolean", "date", "timestamp", "instant")

_RENAMED: Final = {
    "lower": "LOWER",
    "upper": "UPPER",
    "trim": "TRIM",
    "btrim": "TRIM",
    "length": "CHAR_LENGTH",
    "char_length": "CHAR_LENGTH",
    "character_length": "CHAR_LENGTH",
}
"""Functions of one text."""

_CASTS: Final = {
    "smallint": SMALLINT, "int2": SMALLINT, "integer": INT, "int": INT, "int4": INT,
    "bigint": BIGINT, "int8": BIGINT, "double precision": DOUBLE, "float8": DOUBLE,
    "double": DOUBLE, "float": DOUBLE, "text": STRING, "varchar": STRING, "date": DATE,
    "timestamp": TIMESTAMP, "timestamptz": INSTANT, "boolean": BOOLEAN, "bool": BOOLEAN,
}  # fmt: skip


class Renderer:
    """Writes one expression.

    Args:
        text: the expression, for errors.
        column: from the name of a column to what reads it; raises ``Unreadable``.
        events: what reads the properties of an event, by name.
        earlier: from what a condition says of earlier events to what reads that.
    """

    def __init__(
        self,
        text: str,
        column: Callable[[ColumnName], Sql],
        events: Mapping[str, Sql],
        earlier: Callable[[Earlier], Sql] | None = None,
    ) -> None:
        self._text = text
        self._column = column
        self._events = events
        self._earlier = earlier

    def condition(self, node: Node) -> str:
        """Return a boolean expression."""
        return self._as(self.render(node), BOOLEAN, node.at).text

    def value(self, node: Node) -> Sql:
        """Return an expression of a known type."""
        found = self.render(node)
        return self._as(found, STRING, node.at) if found.type is UNKNOWN else found

    def render(self, node: Node) -> Sql:
        """Return an expression.

        Raises:
            ConfigError: with the place, for what means something else in Flink SQL.
        """
        match node:
            case Constant():
                return self._constant(node)
            case ColumnName():
                try:
                    return self._column(node)
                except ConfigError as error:
                    raise self._wrong(node.at, error.message.rstrip(".")) from None
            case Earlier():
                assert self._earlier is not None
                return self._earlier(node)
            case EventName():
                if node.name not in self._events:
                    raise self._wrong(node.at, f"Flink SQL does not have {node.name}")
                return self._events[node.name]
            case Cast():
                return self._cast(node)
            case Case():
                return self._case(node)
            case Call():
                return self._call(node)

    def _wrong(self, at: int, problem: str) -> ConfigError:
        return wrong(self._text, at, problem)

    def _constant(self, node: Constant) -> Sql:
        match node.kind:
            case "null":
                return Sql("NULL", UNKNOWN)
            case "boolean":
                return Sql(node.text.upper(), BOOLEAN)
            case "text":
                return Sql(literal(node.text), UNKNOWN, node.text)
            case "number":
                return number(Decimal(node.text))

    def _as(self, value: Sql, wanted: FlinkType, at: int) -> Sql:
        """Convert a value to a type that it becomes without a cast in PostgreSQL."""
        source = value.type
        if source == wanted or (source.kind == wanted.kind and wanted.kind in (*EXACT, *TEXTUAL)):
            return value
        if value.constant is not None:
            return self._literal(value.constant, wanted, at)
        if source is UNKNOWN:
            return Sql(f"CAST(NULL AS {wanted})", wanted)
        if wanted.kind == "decimal" and source.kind == "integer":
            exact = decimal(source.digits, 0)
            return Sql(f"CAST({value.text} AS {exact})", exact)
        widens = (
            (wanted is DOUBLE and source.kind in (*EXACT, "float"))
            or (wanted.kind == "text" and source.kind == "name")
            or (wanted is TIMESTAMP and source is DATE)
            or (wanted is INSTANT and source.kind in MOMENTS)
        )
        if not widens:
            raise self._wrong(at, f"Flink SQL takes no {source} for {wanted} here")
        return Sql(f"CAST({value.text} AS {wanted})", wanted)

    def _literal(self, text: str, wanted: FlinkType, at: int) -> Sql:
        """Write a quoted literal as the type that its neighbour has."""
        try:
            return typed(text, wanted)
        except (ValueError, InvalidOperation, EvaluationError):
            problem = f"Flink SQL cannot take this literal for {wanted}"
            raise self._wrong(at, problem) from None

    def _common(self, values: list[Sql], at: int, *, ordered: bool = False) -> list[Sql]:
        """Convert values to one type, as PostgreSQL would."""
        known = [v.type for v in values if v.type is not UNKNOWN]
        kinds = {t.kind for t in known}
        if not known:
            wanted = STRING
        elif len(kinds) == 1:
            wanted = known[0]
        elif kinds <= {*EXACT, "float"}:
            wanted = DOUBLE if "float" in kinds else max(known, key=lambda t: t.kind == "decimal")
        elif kinds <= {"text", "name"}:
            wanted = STRING
        elif kinds <= set(MOMENTS):
            wanted = INSTANT if "instant" in kinds else TIMESTAMP
        else:
            names = " and ".join(sorted(str(t) for t in set(known)))
            raise self._wrong(at, f"Flink SQL does not put {names} together")
        if wanted.kind == "float":
            wanted = DOUBLE
        if wanted.kind in ("digits", "opaque") or (ordered and wanted.kind not in _ORDERED):
            raise self._wrong(
                at, f"values of this type cannot be compared in Flink SQL{_hint(wanted)}"
            )
        return [self._as(value, wanted, at) for value in values]

    # Operators and functions

    def _call(self, node: Call) -> Sql:
        name, at = node.name, node.at
        if name in ("and", "or"):
            conditions = [self.condition(argument) for argument in node.arguments]
            return Sql(f"({f' {name.upper()} '.join(conditions)})", BOOLEAN)
        if name in ("not", "is true", "is false"):
            only = self.condition(node.arguments[0])
            tested = f"NOT {only}" if name == "not" else f"{only} {name.upper()}"
            return Sql(f"({tested})", BOOLEAN)
        values = [self.render(argument) for argument in node.arguments]
        if name in COMPARISONS:
            left, right = self._common(values, at, ordered=name not in ("=", "<>"))
            return Sql(f"({left.text} {name} {right.text})", BOOLEAN)
        match name:
            case "is null":
                return Sql(f"({values[0].text} IS NULL)", BOOLEAN)
            case "is distinct from" | "is not distinct from":
                left, right = self._common(values, at)
                return Sql(f"({left.text} {name.upper()} {right.text})", BOOLEAN)
            case "in":
                found, *items = self._common(values, at)
                listed = ", ".join(item.text for item in items)
                return Sql(f"({found.text} IN ({listed}))", BOOLEAN)
            case "like":
                return self._like(values, at)
            case "||":
                texts = [self._text_of(value, at).text for value in values]
                return Sql(f"({' || '.join(texts)})", STRING)
            case "coalesce":
                parts = self._common(values, at)
                listed = ", ".join(part.text for part in parts)
                return Sql(f"COALESCE({listed})", widest(parts))
            case "nullif":
                left, right = self._common(values, at)
                return Sql(f"NULLIF({left.text}, {right.text})", left.type)
            case "abs" if values[0].type.kind in ("integer", "decimal", "float"):
                return Sql(f"ABS({values[0].text})", values[0].type)
            case "+" | "-" | "*" | "/" | "%":
                return self._arithmetic(name, values, node)
        if name in _RENAMED and len(values) == 1:
            text = self._as(values[0], STRING, at).text
            result = INT if _RENAMED[name] == "CHAR_LENGTH" else STRING
            return Sql(f"{_RENAMED[name]}({text})", result)
        raise self._wrong(at, f"{name} is not written for Flink SQL, where it would differ")

    def _like(self, values: list[Sql], at: int) -> Sql:
        value, *rest = values
        if any(part.constant is None for part in rest):
            raise self._wrong(at, "the pattern of LIKE has to be a literal for Flink SQL")
        value = self._as(value, STRING, at)
        text = f"{value.text} LIKE {rest[0].text}"
        if len(rest) == 2:
            text += f" ESCAPE {rest[1].text}"
        elif "\\" in (rest[0].constant or ""):
            text += " ESCAPE '\\'"
        return Sql(f"({text})", BOOLEAN)

    def _text_of(self, value: Sql, at: int) -> Sql:
        if value.type is UNKNOWN:
            return self._as(value, STRING, at)
        if value.type.kind in ("text", "name", "digits"):
            return Sql(value.text, STRING)
        if value.type.kind in (*EXACT, "date"):
            return Sql(f"CAST({value.text} AS STRING)", STRING)
        raise self._wrong(at, f"a text of {value.type} looks different in Flink SQL")

    def _arithmetic(self, name: str, values: list[Sql], node: Call) -> Sql:
        at = node.at
        if len(values) == 1:
            if values[0].type.kind not in (*EXACT, "float"):
                raise self._wrong(at, f"Flink SQL has no {name} of {values[0].type}")
            return Sql(f"(- {values[0].text})", values[0].type)
        moved = self._moved(name, values, node)
        if moved is not None:
            return moved
        left, right = self._common(values, at)
        kinds = {left.type.kind, right.type.kind}
        if kinds == {"integer"}:
            if name in "/%" and not _nonzero(node.arguments[1]):
                raise self._wrong(at, "for Flink SQL, a divisor has to be a number that is not 0")
            # A BIGINT does not overflow where PostgreSQL would report an error for an integer.
            sides = [s.text if s.type is BIGINT else f"CAST({s.text} AS BIGINT)" for s in
                     (left, right)]  # fmt: skip
            if name == "%":
                return Sql(f"MOD({sides[0]}, {sides[1]})", BIGINT)
            return Sql(f"({sides[0]} {name} {sides[1]})", BIGINT)
        if kinds <= set(EXACT):
            return self._exact(name, left, right, at)
        if kinds == {"float"} and name != "%":
            if name == "/" and not _nonzero(node.arguments[1]):
                raise self._wrong(at, "for Flink SQL, a divisor has to be a number that is not 0")
            return Sql(f"({left.text} {name} {right.text})", DOUBLE)
        raise self._wrong(at, f"{name} of {left.type} is not written for Flink SQL")

    def _exact(self, name: str, left: Sql, right: Sql, at: int) -> Sql:
        """Write an operator of decimals, if the result keeps every digit."""
        if name not in "+-*":
            raise self._wrong(
                at, f"{name} of decimals has other digits in Flink SQL; cast to double precision"
            )
        a, b = left.type, right.type
        if name == "*":
            digits, scale = a.digits + b.digits, a.scale + b.scale
        else:
            scale = max(a.scale, b.scale)
            digits = max(a.digits - a.scale, b.digits - b.scale) + scale + 1
        if digits > MAX_DIGITS:
            raise self._wrong(
                at,
                f"the result may have more than the {MAX_DIGITS} digits of a DECIMAL;"
                " cast to numeric(p, s) before",
            )
        return Sql(f"({left.text} {name} {right.text})", decimal(digits, scale))

    def _moved(self, name: str, values: list[Sql], node: Call) -> Sql | None:
        """Write a timestamp plus or minus a constant interval; None if it is something else."""
        length = node.arguments[1]
        if not (
            name in "+-"
            and isinstance(length, Cast)
            and length.type_name == "interval"
            and isinstance(length.value, Constant)
            and values[0].type.kind in ("timestamp", "instant")
        ):
            return None
        span = parse_interval(length.value.text)
        us = span.us + span.days * 86_400_000_000
        if span.months or us % 1000 or us < 0:
            raise self._wrong(length.at, "for Flink SQL, this has to be days, hours and so on")
        return Sql(f"({values[0].text} {name} {interval(us // 1000)})", values[0].type)

    def _case(self, node: Case) -> Sql:
        conditions = [self.condition(condition) for condition, _ in node.branches]
        nodes = [result for _, result in node.branches]
        if node.otherwise is not None:
            nodes.append(node.otherwise)
        results = self._common([self.render(result) for result in nodes], node.at)
        branches = " ".join(
            f"WHEN {condition} THEN {result.text}"
            for condition, result in zip(conditions, results, strict=False)
        )
        otherwise = f" ELSE {results[-1].text}" if node.otherwise is not None else ""
        return Sql(f"CASE {branches}{otherwise} END", widest(results))

    def _cast(self, node: Cast) -> Sql:
        at = node.at
        if node.type_name == "interval":
            return Sql("NULL", UNKNOWN)  # only beside a timestamp, which reads it itself
        value = self.render(node.value)
        target = _CASTS.get(node.type_name)
        if node.type_name in ("numeric", "decimal") and node.modifiers:
            target = decimal(node.modifiers[0], (*node.modifiers, 0)[1])
        if target is None or (node.modifiers and target.kind != "decimal"):
            raise self._wrong(at, f"a cast to {node.type_name} is not written for Flink SQL")
        if target.digits > MAX_DIGITS:
            raise self._wrong(at, f"a DECIMAL has at most {MAX_DIGITS} digits")
        if value.constant is not None:
            return self._literal(value.constant, target, at)
        source = value.type
        if source.kind == target.kind and target.kind not in EXACT:
            return self._as(value, target, at)
        if target is STRING:
            return self._text_of(value, at)
        if fits(source, target):
            return Sql(f"CAST({value.text} AS {target})", target)
        raise self._wrong(at, f"a cast of {source} to {target} may lose values in Flink SQL")


def _nonzero(node: Node) -> bool:
    return isinstance(node, Constant) and node.kind == "number" and Decimal(node.text) != 0


def _hint(wanted: FlinkType) -> str:
    return "; cast it to numeric(p, s)" if wanted.kind == "digits" else "; cast it to text"
