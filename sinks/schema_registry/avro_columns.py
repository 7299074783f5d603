"""How the values of a column look in Avro: its schema, and the way there from the server's text.

The table is in ``docs/sinks/kafka-schemas.md``. The rule behind it: the type of Avro that holds
*every* value of the type, else the server's text as a string. The types of date and time, and
``numeric`` with a known scale, have logical types that hold nearly every value; for the others
(``infinity``, years that no calendar library reads, ``NaN``) there is a second branch, the text.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal, TypeAlias

from bridge.core.arrays import parse_array
from bridge.core.relation import Column
from bridge.core.types import BUILTIN_TYPES
from bridge.core.values import ColumnForm, Form
from sinks.formats.debezium import UNAVAILABLE
from sinks.schema_registry.errors import Unencodable

OutOfRange: TypeAlias = Literal["text", "reject"]
Schema: TypeAlias = "str | dict[str, Any] | list[Any]"
Convert: TypeAlias = Callable[[str], Any]


@dataclass(frozen=True, slots=True)
class AvroColumn:
    """A column in Avro.

    Attributes:
        branches: the schemas of its values, without null.
        convert: from the text of a value that is not NULL; None where the text is the value.
    """

    branches: tuple[Schema, ...]
    convert: Convert | None

    @property
    def nullable(self) -> Schema:
        """The schema of the column where it may be NULL."""
        return ["null", *self.branches]

    @property
    def required(self) -> Schema:
        """The schema of the column where it is never NULL."""
        return list(self.branches) if len(self.branches) > 1 else self.branches[0]

    @property
    def placeholder(self) -> str | bytes | None:
        """What stands for a value that was not sent; None where no branch has room for it."""
        if "string" in self.branches:
            return UNAVAILABLE
        return UNAVAILABLE.encode() if "bytes" in self.branches else None


@dataclass(frozen=True, slots=True)
class _Type:
    """Like ``AvroColumn``, with one schema.

    ``convert`` gives None for a value that the schema has no place for, if ``has_gaps``.
    """

    schema: Schema
    convert: Convert | None = None
    has_gaps: bool = False


def avro_column(column: Column, out_of_range: OutOfRange) -> AvroColumn:
    """Return how a column looks in Avro."""

    def close_gaps(found: _Type) -> AvroColumn:
        if not found.has_gaps or found.convert is None:
            return AvroColumn((found.schema,), found.convert)
        if out_of_range == "text":
            return AvroColumn((found.schema, "string"), _or_text(found.convert))
        return AvroColumn((found.schema,), _or_refuse(found.convert, column.name))

    info = BUILTIN_TYPES.get(column.type_oid)
    element: _Type | None = None
    delimiter = ","
    if info is None:  # made by a user or an extension: the form is what we know
        if column.form.element is not None:
            element, delimiter = _by_form(ColumnForm(column.form.element)), column.form.delimiter
        else:
            return close_gaps(_by_form(column.form))
    elif info.kind == "array" and info.element_oid is not None:
        element = _by_name(BUILTIN_TYPES[info.element_oid].name, column.type_modifier)
        delimiter = info.delimiter
    else:
        return close_gaps(_by_name(info.name, column.type_modifier))
    return close_gaps(_array(close_gaps(element), delimiter))


def _array(element: AvroColumn, delimiter: str) -> _Type:
    """Return an array of one dimension. PostgreSQL's type has any number of them, and any lower
    bounds; the others have no place in it."""
    convert = element.convert

    def items(text: str) -> list[Any] | None:
        found = parse_array(text, delimiter)
        if found is None or any(type(item) is list for item in found):
            return None
        if convert is None:
            return found
        return [None if item is None else convert(item) for item in found]  # type: ignore[arg-type]

    return _Type({"type": "array", "items": element.nullable}, items, has_gaps=True)


def _or_text(convert: Convert) -> Convert:
    def value(text: str) -> Any:
        found = convert(text)
        return text if found is None else found

    return value


def _or_refuse(convert: Convert, column: str) -> Convert:
    def value(text: str) -> Any:
        found = convert(text)
        if found is None:
            raise Unencodable(
                f"The column {column} holds a value that its Avro type has no place for."
            )
        return found

    return value


_TEXT = _Type("string")


def _by_form(form: ColumnForm) -> _Type:
    """Return the type of a domain, whose base we know by its form alone, or of an unknown type."""
    match form.form:
        case Form.INTEGER | Form.INTEGER_TEXT:
            return _Type("long", int)
        case Form.FLOAT:
            return _Type("double", float)
        case Form.BOOLEAN:
            return _BOOLEAN
        case Form.BYTES:
            return _BYTES
        case _:
            return _TEXT


def _by_name(name: str, modifier: int) -> _Type:
    """Return the type of a built-in type."""
    return _numeric(modifier) if name == "numeric" else _TYPES.get(name, _TEXT)


def _numeric(modifier: int) -> _Type:
    """Return a decimal where the precision is declared, and a text where it is not.

    The modifier holds the precision in its upper and the scale, with a sign, in its lower bits
    (``make_numeric_typmod`` in the server's ``numeric.c``).
    """
    if modifier < 4:
        return _TEXT
    precision = ((modifier - 4) >> 16) & 0xFFFF
    scale = (((modifier - 4) & 0x7FF) ^ 1024) - 1024
    if not 0 <= scale <= precision:
        return _TEXT  # Avro has no such scales

    def unscaled(text: str) -> bytes | None:
        if text == "NaN":
            return None
        # The server prints as many decimals as the scale says.
        number = int(text.replace(".", ""))
        return number.to_bytes(number.bit_length() // 8 + 1, "big", signed=True)

    decimal = {"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale}
    return _Type(decimal, unscaled, has_gaps=True)


def _logical(base: str, name: str) -> Schema:
    return {"type": base, "logicalType": name}


_EPOCH_DAY = date(1970, 1, 1).toordinal()
_DAY = 86_400_000_000


def _days(text: str) -> int | None:
    if len(text) != 10 or text[4] != "-":
        return None
    return date.fromisoformat(text).toordinal() - _EPOCH_DAY


def _micros_of_day(text: str) -> int | None:
    if text.startswith("24"):
        return None
    seconds = int(text[:2]) * 3600 + int(text[3:5]) * 60 + int(text[6:8])
    return seconds * 1_000_000 + int(text[9:].ljust(6, "0"))


def _micros(text: str) -> int | None:
    # As the server prints it: 2024-02-29 12:34:56.78, and +00 for timestamptz.
    if text[4:5] != "-" or text[-1] == "C":
        return None
    day = date.fromisoformat(text[:10]).toordinal() - _EPOCH_DAY
    micros = _micros_of_day(text[11:].removesuffix("+00"))
    return None if micros is None else day * _DAY + micros


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text[2:])


_BOOLEAN = _Type("boolean", "t".__eq__)
_BYTES = _Type("bytes", _bytes)
_TYPES: dict[str, _Type] = {
    "bool": _BOOLEAN,
    "bytea": _BYTES,
    "int2": _Type("int", int),
    "int4": _Type("int", int),
    "int8": _Type("long", int),
    "oid": _Type("long", int),
    "float4": _Type("float", float),
    "float8": _Type("double", float),
    "date": _Type(_logical("int", "date"), _days, has_gaps=True),
    "time": _Type(_logical("long", "time-micros"), _micros_of_day, has_gaps=True),
    "timestamp": _Type(_logical("long", "local-timestamp-micros"), _micros, has_gaps=True),
    "timestamptz": _Type(_logical("long", "timestamp-micros"), _micros, has_gaps=True),
    "uuid": _Type(_logical("string", "uuid")),
}
