"""Pieces of Flink SQL with their types: literals, and what casts and choices make of types."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Final

from bridge.expressions import times
from bridge.flink.types import (
    BIGINT,
    BOOLEAN,
    DATE,
    DOUBLE,
    INSTANT,
    INT,
    MAX_DIGITS,
    STRING,
    TIMESTAMP,
    FlinkType,
    decimal,
    literal,
)

EXACT: Final = ("integer", "decimal")
"""Kinds of numbers that keep every digit."""
MOMENTS: Final = ("date", "timestamp", "instant")
"""Kinds of points in time."""


@dataclass(frozen=True, slots=True)
class Sql:
    """A piece of Flink SQL.

    Attributes:
        text: may stand as an operand anywhere.
        type: of its values.
        constant: of a quoted literal, its text.
    """

    text: str
    type: FlinkType
    constant: str | None = None


def typed(text: str, wanted: FlinkType) -> Sql:
    """Return a quoted literal as one of a type.

    Raises:
        ValueError: it is none of this type, or of one that Flink does not have.
        InvalidOperation: it is no number.
        EvaluationError: it is out of range.
    """
    match wanted.kind:
        case "text" | "name":
            return Sql(literal(text), STRING)
        case "integer" | "decimal":
            return number(Decimal(text))
        case "float":
            return Sql(f"CAST({literal(str(float(text)))} AS DOUBLE)", DOUBLE)
        case "boolean" if text.lower() in ("true", "t", "false", "f"):
            return Sql("TRUE" if text.lower()[0] == "t" else "FALSE", BOOLEAN)
        case "date":
            return Sql(f"DATE {literal(_finite_date(times.parse_date(text)))}", DATE)
        case "timestamp":
            moment = _finite_timestamp(times.parse_timestamp(text))
            return Sql(f"TIMESTAMP {literal(moment)}", TIMESTAMP)
        case "instant":
            moment = _finite_timestamp(times.parse_timestamptz(text))
            return Sql(f"CAST(TIMESTAMP {literal(moment)} AS {INSTANT})", INSTANT)
    raise ValueError(wanted.name)


def number(value: Decimal) -> Sql:
    """Return a number as PostgreSQL types it: the smallest integer that holds it, or a decimal.

    Raises:
        InvalidOperation: it is not finite.
    """
    if not value.is_finite():
        raise InvalidOperation
    text = f"{value:f}"
    shown = f"({text})" if text.startswith("-") else text
    digits = text.lstrip("-")
    if "." not in digits and len(digits) < 19:
        return Sql(shown, INT if len(digits) < 10 else BIGINT)
    whole, _, fraction = digits.partition(".")
    whole = whole.lstrip("0")
    return Sql(shown, decimal(max(1, len(whole) + len(fraction)), len(fraction)))


def widest(values: list[Sql]) -> FlinkType:
    """Return the type that Flink gives values of which one is chosen."""
    first = values[0].type
    if first.kind not in EXACT:
        return first
    types = [value.type for value in values]
    if all(t.kind == "integer" for t in types):
        return max(types, key=lambda t: t.digits)
    scale = max(t.scale for t in types)
    return decimal(min(MAX_DIGITS, max(t.digits - t.scale for t in types) + scale), scale)


def fits(source: FlinkType, target: FlinkType) -> bool:
    """Whether a cast keeps every value, or rounds it as PostgreSQL does."""
    if target.kind in EXACT and source.kind in EXACT:
        rounds = source.scale > target.scale
        if rounds and target.kind == "integer":
            return False
        return source.digits - source.scale + rounds <= target.digits - target.scale
    if source.kind == "digits":
        return target.kind == "decimal"  # Flink fails where it does not fit
    if target is DOUBLE:
        return source.kind in (*EXACT, "float")
    if target is DATE:
        return source.kind in ("timestamp", "instant")
    return target.kind in MOMENTS and source.kind in MOMENTS


def _finite_date(days: times.Moment) -> str:
    if isinstance(days, float):
        raise ValueError
    return times.date_text(days)


def _finite_timestamp(us: times.Moment) -> str:
    if isinstance(us, float):
        raise ValueError
    return times.timestamp_text(us)
