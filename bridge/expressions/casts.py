"""Conversions between types: those of casts, and those that happen without one."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from bridge.expressions import floats, numbers, texts, times
from bridge.expressions.conversion import Function, texts_of
from bridge.expressions.errors import EvaluationError
from bridge.expressions.types import (
    BOOL,
    BPCHAR,
    DATE,
    FLOAT4,
    FLOAT8,
    INT2,
    INT4,
    INT8,
    INTEGERS,
    JSON,
    JSONB,
    NAMED,
    NUMERIC,
    TEXT,
    TIMESTAMP,
    TIMESTAMPTZ,
    SqlType,
)


def _then(first: Function, second: Function) -> Function:
    return lambda value: second(first(value))


def _same(value: object) -> object:
    return value


_CHECKS: Final = {INT2: numbers.int2, INT4: numbers.int4, INT8: numbers.int8}

_BETWEEN: Final[dict[tuple[SqlType, SqlType], Function]] = {
    **{(a, b): _CHECKS[b] for a in INTEGERS for b in INTEGERS},
    **{(a, NUMERIC): Decimal for a in INTEGERS},
    **{(a, FLOAT8): float for a in INTEGERS},
    **{(a, FLOAT4): _then(float, floats.single) for a in INTEGERS},
    **{(NUMERIC, b): _then(numbers.numeric_to_int, _CHECKS[b]) for b in INTEGERS},
    **{(a, b): _then(floats.float_to_int, _CHECKS[b]) for a in (FLOAT4, FLOAT8) for b in INTEGERS},
    (NUMERIC, FLOAT8): floats.numeric_to_float8,
    (NUMERIC, FLOAT4): _then(floats.numeric_to_float8, floats.float4_result),
    (FLOAT8, NUMERIC): floats.float8_to_numeric,
    (FLOAT4, NUMERIC): floats.float4_to_numeric,
    (FLOAT4, FLOAT8): _same,
    (FLOAT8, FLOAT4): floats.float4_result,
    (INT4, BOOL): bool,
    (BOOL, INT4): int,
    (BPCHAR, TEXT): texts.unpadded,
    (NAMED, TEXT): _same,
    (TEXT, BPCHAR): _same,
    (DATE, TIMESTAMP): times.date_to_timestamp,
    (DATE, TIMESTAMPTZ): times.date_to_timestamp,
    (TIMESTAMP, TIMESTAMPTZ): _same,
    (TIMESTAMPTZ, TIMESTAMP): _same,
    (TIMESTAMP, DATE): times.timestamp_to_date,
    (TIMESTAMPTZ, DATE): times.timestamp_to_date,
    (JSON, JSONB): _same,
    (JSONB, JSON): _same,
}


SAME_VALUES: Final = {
    (INT2, INT4),
    (INT2, INT8),
    (INT4, INT8),
    (FLOAT4, FLOAT8),
    (NAMED, TEXT),
    (TIMESTAMP, TIMESTAMPTZ),
}
"""Conversions without a cast that change the type only."""


def conversion(source: SqlType, target: SqlType) -> Function | None:
    """Return the function of a cast; None if there is none.

    It raises EvaluationError for a value that the target cannot hold.
    """
    if source == target:
        return _same
    found = _BETWEEN.get((source, target))
    if found is not None:
        return found
    if target in (TEXT, BPCHAR) and source.element is None:
        return texts_of(source).print
    if source in (TEXT, BPCHAR, NAMED):
        return from_text(target)
    return None


def from_text(target: SqlType) -> Function:
    """Return the function that reads the text of a user; it raises EvaluationError."""
    parse = texts_of(target).parse

    def read(text: str) -> object:
        try:
            return parse(text)
        except (ValueError, EvaluationError):
            # Without the cause: it may quote the value.
            raise EvaluationError(f"a text is no {target}") from None

    return read
