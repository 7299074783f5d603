"""How each type looks in an event: from the server's text to JSON and to Python.

PostgreSQL is the judge: ``json_populate_record(null::t, new_values)`` gives back the identical
row. The table is in ``docs/values.md``. The rule behind it: a JSON number, boolean or document
where JSON has one that holds *every* value of the type, else the text that the type's own input
function reads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import Enum, auto
from json.encoder import encode_basestring
from typing import Literal, TypeAlias

from bridge.core.arrays import ArrayItems, parse_array
from bridge.core.errors import DecodeError
from bridge.core.types import TypeInfo

Value: TypeAlias = "bool | int | float | Decimal | str | list[Value] | None"
"""What ``CdcEvent.new_values`` holds; ``docs/values.md`` says which type gives what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueStyle:
    """How numbers that some consumers cannot hold are written.

    Attributes:
        int8: ``number``, or ``string`` for consumers that read JSON numbers as doubles.
        numeric: ``string``, or ``number`` for consumers that keep every digit.
    """

    int8: Literal["number", "string"] = "number"
    numeric: Literal["number", "string"] = "string"


class Form(Enum):
    """The JSON form of a column."""

    INTEGER = auto()
    """A JSON number."""
    FLOAT = auto()
    """A JSON number; ``"NaN"``, ``"Infinity"`` and ``"-Infinity"`` as strings."""
    INTEGER_TEXT = auto()
    """An integer as a string."""
    DECIMAL_TEXT = auto()
    """A decimal number as a string."""
    DECIMAL = auto()
    """As FLOAT in JSON; ``Decimal`` in Python."""
    BOOLEAN = auto()
    """``true`` or ``false``."""
    JSON = auto()
    """The document itself, digit for digit."""
    TIMESTAMP = auto()
    """A string in ISO 8601 form: ``T`` between date and time, ``Z`` for UTC."""
    PLAIN = auto()
    """The server's text as a string; the type's texts never need escaping."""
    BYTES = auto()
    r"""The server's hex text as a string, ``"\\x00ff"``."""
    TEXT = auto()
    """The server's text as a string."""
    ARRAY = auto()
    """A JSON array of the element's form; arrays with other lower bounds as the literal."""


_FORMS: dict[str, Form] = {
    **dict.fromkeys(("int2", "int4", "oid"), Form.INTEGER),
    **dict.fromkeys(("float4", "float8"), Form.FLOAT),
    "bool": Form.BOOLEAN,
    **dict.fromkeys(("json", "jsonb"), Form.JSON),
    **dict.fromkeys(("timestamp", "timestamptz"), Form.TIMESTAMP),
    **dict.fromkeys(
        ("date", "time", "timetz", "interval", "uuid", "inet", "cidr", "macaddr", "macaddr8",
         "bit", "varbit", "pg_lsn", "xid", "xid8", "cid", "tid", "point", "lseg", "box", "path",
         "polygon", "line", "circle", "int4range", "int8range", "numrange",
         "int4multirange", "int8multirange", "nummultirange"),
        Form.PLAIN,
    ),
    "bytea": Form.BYTES,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ColumnForm:
    """The form of a column, and for arrays that of the elements."""

    form: Form
    element: Form | None = None
    delimiter: str = ","


def column_form(type_oid: int, types: Mapping[int, TypeInfo], style: ValueStyle) -> ColumnForm:
    """Return the form of a type; a domain has that of its base, an unknown type is its text."""
    info = types.get(type_oid)
    for _ in range(32):  # domains over domains; the bound is for catalogs that changed under us
        if info is None or info.kind != "domain" or info.base_oid is None:
            break
        info = types.get(info.base_oid)
    if info is None:
        return ColumnForm(Form.TEXT)
    if info.kind == "array" and info.element_oid is not None:
        element = column_form(info.element_oid, types, style).form
        # An array of documents: an element that is itself a JSON array would look like a
        # dimension, and a JSON null like SQL's.
        if element is Form.JSON or element is Form.ARRAY:
            return ColumnForm(Form.TEXT)
        return ColumnForm(Form.ARRAY, element, info.delimiter)
    if info.schema != "pg_catalog":
        return ColumnForm(Form.TEXT)
    if info.name == "int8":
        return ColumnForm(Form.INTEGER if style.int8 == "number" else Form.INTEGER_TEXT)
    if info.name == "numeric":
        return ColumnForm(Form.DECIMAL if style.numeric == "number" else Form.DECIMAL_TEXT)
    return ColumnForm(_FORMS.get(info.name, Form.TEXT))


def _number_json(text: str) -> str:
    return text if text[-1:].isdigit() else f'"{text}"'


def timestamp_json(text: str) -> str:
    """Write a timestamp with ``T`` and ``Z``; BC, infinity and years beyond 9999 stay as they are.

    The input functions of the server read both forms.
    """
    if text[-3:] == "+00" and text[10:11] == " ":
        return f'"{text[:10]}T{text[11:-3]}Z"'
    if text[10:11] != " " or text[-1:] == "C":
        return f'"{text}"'
    return f'"{text[:10]}T{text[11:]}"'


def document_json(text: str) -> str:
    """Embed a document as it is. Line breaks, which can only stand between its tokens, go."""
    if "\n" in text or "\r" in text:
        return text.replace("\n", " ").replace("\r", " ")
    return text


def _quoted(text: str) -> str:
    return f'"{text}"'


_TO_JSON: dict[Form, Callable[[str], str]] = {
    Form.INTEGER: str,
    Form.FLOAT: _number_json,
    Form.DECIMAL: _number_json,
    Form.INTEGER_TEXT: _quoted,
    Form.DECIMAL_TEXT: _quoted,
    Form.BOOLEAN: lambda text: "true" if text == "t" else "false",
    Form.JSON: document_json,
    Form.TIMESTAMP: timestamp_json,
    Form.PLAIN: _quoted,
    Form.BYTES: encode_basestring,
    Form.TEXT: encode_basestring,
}


def to_json(column: ColumnForm) -> Callable[[str], str]:
    """Return the function from the text of a value that is not NULL to its JSON."""
    if column.form is not Form.ARRAY:
        return _TO_JSON[column.form]
    assert column.element is not None
    return array_to_json(_TO_JSON[column.element], column.delimiter)


def array_to_json(element_json: Callable[[str], str], delimiter: str) -> Callable[[str], str]:
    """Return the function from the text of an array to its JSON.

    Args:
        element_json: from the text of an element that is not NULL to its JSON.
        delimiter: what stands between two elements.
    """

    def items_json(items: ArrayItems) -> str:
        return f"[{','.join(map(item_json, items))}]"

    def item_json(item: str | ArrayItems | None) -> str:
        if item is None:
            return "null"
        return items_json(item) if isinstance(item, list) else element_json(item)

    def array_json(text: str) -> str:
        items = parse_array(text, delimiter)
        return encode_basestring(text) if items is None else items_json(items)

    return array_json


def _timestamp(text: str) -> str:
    return timestamp_json(text)[1:-1]


def _number(convert: Callable[[str], int | float | Decimal]) -> Callable[[str], Value]:
    def number(text: str) -> Value:
        try:
            return convert(text)
        except (ValueError, InvalidOperation):
            # Without the cause: it quotes the value.
            raise DecodeError("not a number", offset=0, context="column value") from None

    return number


_TO_PYTHON: dict[Form, Callable[[str], Value]] = {
    Form.INTEGER: _number(int),
    Form.INTEGER_TEXT: _number(int),
    Form.FLOAT: _number(float),
    Form.DECIMAL: _number(Decimal),
    Form.DECIMAL_TEXT: _number(Decimal),
    Form.BOOLEAN: lambda text: text == "t",
    Form.TIMESTAMP: _timestamp,
}


def to_python(column: ColumnForm) -> Callable[[str], Value]:
    """Return the function from the text of a value that is not NULL to its Python value."""
    if column.form is not Form.ARRAY:
        return _TO_PYTHON.get(column.form, str)
    assert column.element is not None
    element, delimiter = _TO_PYTHON.get(column.element, str), column.delimiter

    def items_value(items: ArrayItems) -> list[Value]:
        return [
            None if i is None else items_value(i) if isinstance(i, list) else element(i)
            for i in items
        ]

    def array_value(text: str) -> Value:
        items = parse_array(text, delimiter)
        return text if items is None else items_value(items)

    return array_value
