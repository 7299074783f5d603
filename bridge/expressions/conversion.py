"""Each type's texts: how the server's are read, how literals are read, how values are printed."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from bridge.core.arrays import ArrayItems, parse_array
from bridge.core.lsn import format_lsn, parse_lsn
from bridge.core.values import Value, timestamp_json
from bridge.expressions import documents, floats, intervals, numbers, texts, times
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
    INTERVAL,
    JSON,
    JSONB,
    NUMERIC,
    PG_LSN,
    TEXT,
    TIME,
    TIMESTAMP,
    TIMESTAMPTZ,
    UUID,
    SqlType,
)

Function: TypeAlias = Callable[..., Any]


def _same(value: str) -> str:
    return value


@dataclass(frozen=True, slots=True)
class Texts:
    """Between texts and values of a type.

    Attributes:
        load: from the text that the server printed; None if the value is the text.
        parse: from the text that a user wrote; raises ValueError.
        print: to the text that the server prints.
        output: to what an expression gives to its caller (``docs/values.md``).
    """

    load: Function | None = None
    parse: Function = _same
    print: Function = _same
    output: Function | None = None


def _parse_bool(text: str) -> bool:
    text = text.strip(" \t\n\r\v\f").lower()
    if text in ("1", "on") or (text and ("true".startswith(text) or "yes".startswith(text))):
        return True
    if text in ("0", "of", "off") or (text and ("false".startswith(text) or "no".startswith(text))):
        return False
    raise ValueError("not a boolean")


def _in_range(check: Callable[[int], int]) -> Function:
    def parse(text: str) -> int:
        try:
            return check(numbers.parse_int(text))
        except EvaluationError as error:
            raise ValueError(error.message) from None

    return parse


def _timestamp_output(us: times.Moment) -> str:
    return timestamp_json(times.timestamp_text(us))[1:-1]


def _timestamptz_output(us: times.Moment) -> str:
    return timestamp_json(times.timestamptz_text(us))[1:-1]


def _parse_uuid(text: str) -> str:
    return str(uuid.UUID(text.strip()))


_TEXTS: Final[dict[SqlType, Texts]] = {
    INT2: Texts(int, _in_range(numbers.int2), str),
    INT4: Texts(int, _in_range(numbers.int4), str),
    INT8: Texts(int, _in_range(numbers.int8), str),
    NUMERIC: Texts(numbers.load_numeric, numbers.parse_numeric, numbers.numeric_text),
    FLOAT4: Texts(floats.load_float4, floats.parse_float4, floats.float4_text),
    FLOAT8: Texts(floats.load_float8, floats.parse_float8, floats.float8_text),
    BOOL: Texts("t".__eq__, _parse_bool, lambda value: "true" if value else "false"),
    TEXT: Texts(),
    BPCHAR: Texts(print=texts.unpadded),
    DATE: Texts(times.load_date, times.parse_date, times.date_text, times.date_text),
    TIMESTAMP: Texts(
        times.load_timestamp, times.parse_timestamp, times.timestamp_text, _timestamp_output
    ),
    TIMESTAMPTZ: Texts(
        times.load_timestamptz, times.parse_timestamptz, times.timestamptz_text, _timestamptz_output
    ),
    TIME: Texts(times.parse_time, times.parse_time, times.clock_text, times.clock_text),
    INTERVAL: Texts(
        intervals.parse_interval,
        intervals.parse_interval,
        intervals.interval_text,
        intervals.interval_text,
    ),
    UUID: Texts(parse=_parse_uuid),
    PG_LSN: Texts(parse_lsn, parse_lsn, format_lsn, format_lsn),
    JSON: Texts(parse=documents.parse_document),
    JSONB: Texts(parse=documents.parse_document),
}


def texts_of(sql_type: SqlType) -> Texts:
    """Return the texts of a type; of one without an entry the value is the text."""
    if sql_type.element is not None:
        return _array_texts(sql_type.element)
    return _TEXTS.get(sql_type, _TEXTS[TEXT])


def _array_texts(element: SqlType) -> Texts:
    inner = texts_of(element)

    def items_of(text: str, convert: Function) -> list[Any]:
        items = parse_array(text)
        if items is None:
            raise ValueError("not an array whose lower bounds are 1")
        return converted(items, convert)

    def converted(items: ArrayItems, convert: Function) -> list[Any]:
        return [
            None if i is None else converted(i, convert) if isinstance(i, list) else convert(i)
            for i in items
        ]

    def load(text: str) -> list[Any]:
        try:
            return items_of(text, inner.load or _same)
        except ValueError:
            raise EvaluationError("an array has lower bounds other than 1") from None

    def output(items: list[Any]) -> list[Value]:
        return converted(items, inner.output or _same)

    def parse(text: str) -> list[Any]:
        return items_of(_printed_array(text), inner.parse)

    return Texts(load, parse, _no_text, output)


_ARRAY_PARTS: Final = re.compile(
    r'("(?:[^"\\]|\\.)*")|(\\)|\s*([{},])\s*|(?<=[{,\s])(null)(?=[\s,}])', re.IGNORECASE | re.DOTALL
)


def _printed_array(text: str) -> str:
    """Return an array literal as the server would print it: no spaces, NULL in capitals."""

    def printed(part: re.Match[str]) -> str:
        quoted, escape, mark, _ = part.groups()
        if escape:
            raise ValueError("a backslash stands outside of quotes")
        return quoted or mark or "NULL"

    return _ARRAY_PARTS.sub(printed, text.strip())


def _no_text(value: object) -> str:
    raise EvaluationError("an array has no text here")
