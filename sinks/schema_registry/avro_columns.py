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
from typing import Any, Literal, TypeAlias, cast

from bridge.core.arrays import parse_array
from bridge.core.relation import Column
from bridge.core.types import BUILTIN_TYPES
from bridge.core.values import Form
from sinks.formats.debezium import UNAVAILABLE
from sinks.schema_registry.avro_binary import (
    FALSE,
    NULL,
    SOME,
    SOME_TEXT,
    TRUE,
    encode_array,
    encode_bytes,
    encode_double,
    encode_float,
    encode_long,
    encode_some_text,
    encode_text,
)
from sinks.schema_registry.errors import Unencodable

OutOfRange: TypeAlias = Literal["text", "reject"]
Schema: TypeAlias = "str | dict[str, Any] | list[Any]"
Encode: TypeAlias = Callable[[str], bytes]
"""From the text of a value that is not NULL to its binary form."""


@dataclass(frozen=True, slots=True)
class AvroColumn:
    """A column in Avro.

    Attributes:
        schema: of its values.
        encode: its values.
        placeholder: what stands for a value that was not sent, where one was due; null where the
            schema has no room for another.
    """

    schema: Schema
    encode: Encode
    placeholder: bytes = NULL


@dataclass(frozen=True, slots=True)
class _Type:
    """How the values of a type look, without null.

    Attributes:
        schema: of nearly all values.
        encode: gives None for a value that the schema has no place for.
        has_gaps: whether there are such values.
    """

    schema: Schema
    encode: Callable[[str], bytes | None]
    has_gaps: bool = False


def nullable_column(column: Column, out_of_range: OutOfRange) -> AvroColumn:
    """Return how a column looks that may be NULL; its NULL is ``avro_binary.NULL``."""
    return _nullable(_type_of(column, out_of_range), column.name, out_of_range)


def required_column(column: Column, out_of_range: OutOfRange) -> AvroColumn:
    """Return how a column looks that is never NULL."""
    found = _type_of(column, out_of_range)
    if not found.has_gaps:
        return AvroColumn(found.schema, cast(Encode, found.encode))
    if out_of_range == "reject":
        return AvroColumn(found.schema, _branches(found.encode, b"", None, column.name))
    # The branches of this union are the first and the second, not the second and the third.
    return AvroColumn([found.schema, "string"], _branches(found.encode, NULL, SOME, column.name))


def _nullable(found: _Type, column: str, out_of_range: OutOfRange) -> AvroColumn:
    with_text = found.has_gaps and out_of_range == "text"
    second = SOME_TEXT if with_text else None
    placeholder = NULL
    if with_text:
        placeholder = SOME_TEXT + encode_text(UNAVAILABLE)
    elif found.schema in ("string", "bytes"):
        placeholder = SOME + encode_text(UNAVAILABLE)
    return AvroColumn(
        ["null", found.schema, *(["string"] if with_text else [])],
        _branches(found.encode, SOME, second, column),
        placeholder,
    )


def _branches(
    encode: Callable[[str], bytes | None], first: bytes, second: bytes | None, column: str
) -> Encode:
    """Return an encoder that says which branch of a union follows.

    Args:
        encode: for the first branch.
        first: what stands before a value in it.
        second: what stands before a text in the second one; None if there is no second.
        column: for the message.
    """

    if encode is encode_text and first == SOME:
        return encode_some_text

    def branch(text: str) -> bytes:
        encoded = encode(text)
        if encoded is not None:
            return first + encoded
        if second is None:
            raise Unencodable(
                f"The column {column} holds a value that its type in Avro has no place for."
            )
        return second + encode_text(text)

    return branch


def _type_of(column: Column, out_of_range: OutOfRange) -> _Type:
    info = BUILTIN_TYPES.get(column.type_oid)
    if info is None:  # made by a user or an extension: the form is what we know
        if column.form.element is None:
            return _by_form(column.form.form)
        element, delimiter = _by_form(column.form.element), column.form.delimiter
    elif info.kind == "array" and info.element_oid is not None:
        element = _by_name(BUILTIN_TYPES[info.element_oid].name, column.type_modifier)
        delimiter = info.delimiter
    else:
        return _by_name(info.name, column.type_modifier)
    return _array(_nullable(element, column.name, out_of_range), delimiter)


def _array(items: AvroColumn, delimiter: str) -> _Type:
    """Return an array of one dimension.

    PostgreSQL's has any number of them, and any lower bounds; the others have no place in it.
    """
    encode_item = items.encode

    def encode(text: str) -> bytes | None:
        found = parse_array(text, delimiter)
        if found is None:
            return None
        encoded = []
        for item in found:
            if isinstance(item, list):
                return None
            encoded.append(NULL if item is None else encode_item(item))
        return encode_array(encoded)

    return _Type({"type": "array", "items": items.schema}, encode, has_gaps=True)


_TEXT = _Type("string", encode_text)


def _by_form(form: Form) -> _Type:
    """Return the type of a domain, whose base we know by its form alone, or of an unknown type."""
    match form:
        case Form.INTEGER | Form.INTEGER_TEXT:
            return _INTEGER
        case Form.FLOAT:
            return _FLOAT
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
        return encode_bytes(number.to_bytes(number.bit_length() // 8 + 1, "big", signed=True))

    decimal = {"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale}
    return _Type(decimal, unscaled, has_gaps=True)


def _logical(base: str, name: str) -> Schema:
    return {"type": base, "logicalType": name}


_EPOCH_DAY = date(1970, 1, 1).toordinal()
_DAY = 86_400_000_000


def _date(text: str) -> bytes | None:
    if len(text) != 10 or text[4] != "-":  # BC, beyond 9999, infinity
        return None
    return encode_long(_day(text))


def _time(text: str) -> bytes | None:
    return None if text.startswith("24") else encode_long(_micros(text))


def _timestamp(text: str) -> bytes | None:
    # As the server prints it: 2024-02-29 12:34:56.78, and +00 for timestamptz.
    if text[4:5] != "-" or text[-1] == "C":
        return None
    return encode_long(_day(text) * _DAY + _micros(text[11:].removesuffix("+00")))


def _day(text: str) -> int:
    return date.fromisoformat(text[:10]).toordinal() - _EPOCH_DAY


def _micros(text: str) -> int:
    seconds = int(text[:2]) * 3600 + int(text[3:5]) * 60 + int(text[6:8])
    return seconds * 1_000_000 + int(text[9:].ljust(6, "0"))


def _integer(text: str) -> bytes:
    return encode_long(int(text))


def _double(text: str) -> bytes:
    return encode_double(float(text))


def _float(text: str) -> bytes:
    return encode_float(float(text))


def _boolean(text: str) -> bytes:
    return TRUE if text == "t" else FALSE


def _bytes(text: str) -> bytes:
    return encode_bytes(bytes.fromhex(text[2:]))


_BOOLEAN = _Type("boolean", _boolean)
_BYTES = _Type("bytes", _bytes)
_INTEGER = _Type("long", _integer)
_FLOAT = _Type("double", _double)
_TYPES: dict[str, _Type] = {
    "bool": _BOOLEAN,
    "bytea": _BYTES,
    "int2": _Type("int", _integer),
    "int4": _Type("int", _integer),
    "int8": _INTEGER,
    "oid": _INTEGER,
    "float4": _Type("float", _float),
    "float8": _FLOAT,
    "date": _Type(_logical("int", "date"), _date, has_gaps=True),
    "time": _Type(_logical("long", "time-micros"), _time, has_gaps=True),
    "timestamp": _Type(_logical("long", "local-timestamp-micros"), _timestamp, has_gaps=True),
    "timestamptz": _Type(_logical("long", "timestamp-micros"), _timestamp, has_gaps=True),
    "uuid": _Type(_logical("string", "uuid"), encode_text),
}
