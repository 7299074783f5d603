"""The types of Flink SQL that columns and expressions have, and how names and literals are written.

https://nightlies.apache.org/flink/flink-docs-stable/docs/dev/table/types/
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from bridge.core.relation import Column
from bridge.core.types import BUILTIN_TYPES
from bridge.core.values import Form
from bridge.expressions.types import NAMED, column_type

MAX_DIGITS: Final = 38
"""Of a DECIMAL in Flink."""

Kind: TypeAlias = Literal[
    "integer", "decimal", "float", "boolean", "text", "name", "date", "timestamp", "instant",
    "digits", "opaque", "unknown",
]  # fmt: skip
"""What can be done with a value.

``name``: of an enum or a type of the database, of which only ``=`` is known. ``digits``: of a
numeric without precision, which a DECIMAL would round; it can be cast to one. ``opaque``: a text
that can only be passed on, or be NULL. ``instant``: a timestamp with time zone. ``unknown``: of a
quoted literal and of NULL, which become what their neighbour is.
"""


@dataclass(frozen=True, slots=True)
class FlinkType:
    """A type as Flink SQL writes it.

    Attributes:
        name: such as ``INT`` or ``DECIMAL(10, 2)``.
        kind: what can be done with its values.
        digits: of an integer or a decimal, at most.
        scale: digits after the point of a decimal.
    """

    name: str
    kind: Kind
    digits: int = 0
    scale: int = 0

    def __str__(self) -> str:
        return self.name


SMALLINT: Final = FlinkType("SMALLINT", "integer", 5)
INT: Final = FlinkType("INT", "integer", 10)
BIGINT: Final = FlinkType("BIGINT", "integer", 19)
WHOLE: Final = FlinkType(f"DECIMAL({MAX_DIGITS}, 0)", "integer", MAX_DIGITS)
"""Of a sum of BIGINTs, which is an integer of any size in PostgreSQL."""
FLOAT: Final = FlinkType("FLOAT", "float")
DOUBLE: Final = FlinkType("DOUBLE", "float")
BOOLEAN: Final = FlinkType("BOOLEAN", "boolean")
STRING: Final = FlinkType("STRING", "text")
NAME: Final = FlinkType("STRING", "name")
DIGITS: Final = FlinkType("STRING", "digits")
OPAQUE: Final = FlinkType("STRING", "opaque")
DATE: Final = FlinkType("DATE", "date")
TIMESTAMP: Final = FlinkType("TIMESTAMP(6)", "timestamp")
INSTANT: Final = FlinkType("TIMESTAMP_LTZ(6)", "instant")
UNKNOWN: Final = FlinkType("NULL", "unknown")

TEXTUAL: Final = ("text", "name", "digits", "opaque")
"""Kinds whose values are texts in the topic."""

_BY_NAME: Final[dict[str, FlinkType]] = {
    "smallint": SMALLINT,
    "integer": INT,
    "bigint": BIGINT,
    "real": FLOAT,
    "double precision": DOUBLE,
    "boolean": BOOLEAN,
    "text": STRING,
    "uuid": NAME,
    "date": DATE,
    "timestamp": TIMESTAMP,
    "timestamptz": INSTANT,
}

_UNREADABLE: Final = ("json", "jsonb", "bytea")
"""Types that look different in the formats, or are no text in the topic."""


def decimal(digits: int, scale: int) -> FlinkType:
    """Return the type of exact numbers with this many digits, ``scale`` of them after the point."""
    return FlinkType(f"DECIMAL({digits}, {scale})", "decimal", digits, scale)


def flink_type(column: Column) -> FlinkType | None:
    """Return the type of a column in the topic; None if Flink cannot read it as it is."""
    sql_type = column_type(column)
    info = BUILTIN_TYPES.get(column.type_oid)
    if sql_type.element is not None or (info is not None and info.name in _UNREADABLE):
        return None
    if sql_type.name == "numeric":
        return _numeric(column)
    if sql_type is NAMED:
        return NAME
    return _BY_NAME.get(sql_type.name, OPAQUE)


def _numeric(column: Column) -> FlinkType | None:
    # A number without quotes would lose digits on its way to a text.
    without_precision = DIGITS if column.form.form is Form.DECIMAL_TEXT else None
    if column.type_modifier < 4:
        return without_precision
    # https://www.postgresql.org/docs/current/catalog-pg-attribute.html: atttypmod of a numeric
    packed = column.type_modifier - 4
    digits, scale = packed >> 16, ((packed & 0x7FF) ^ 1024) - 1024
    if not 0 <= scale <= digits <= MAX_DIGITS:
        return without_precision
    return decimal(digits, scale)


def quoted(name: str) -> str:
    """Return a name as an identifier."""
    return f"`{name.replace('`', '``')}`"


def literal(text: str) -> str:
    """Return a text as a literal."""
    return f"'{text.replace(chr(39), chr(39) * 2)}'"


_UNITS: Final = (("DAY", 86_400_000), ("HOUR", 3_600_000), ("MINUTE", 60_000), ("SECOND", 1_000))


def interval(milliseconds: int) -> str:
    """Return a length of time as a literal, in the largest unit that divides it."""
    for unit, size in _UNITS:
        count, rest = divmod(milliseconds, size)
        if rest == 0 and 0 < count < 100:  # two digits are what a literal may have by default
            return f"INTERVAL '{count}' {unit}"
    days, rest = divmod(milliseconds, 86_400_000)
    hours, rest = divmod(rest, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    seconds, rest = divmod(rest, 1_000)
    digits = max(2, len(str(days)))
    return (
        f"INTERVAL '{days} {hours:02}:{minutes:02}:{seconds:02}.{rest:03}' "
        f"DAY({digits}) TO SECOND(3)"
    )
