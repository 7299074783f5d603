"""Results as they are stored and delivered: keys and values as JSON, in the forms of events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from json.encoder import encode_basestring
from math import isinf, isnan
from typing import Any

from bridge.core.relation import texts_json
from bridge.expressions.floats import float8_text
from bridge.expressions.numbers import numeric_text


def to_json(value: Any) -> str:
    """Return a value as JSON, numbers as ``docs/values.md`` says.

    Args:
        value: what an expression or an aggregate gives, mappings and sequences among it; anything
            else is written as its text.
    """
    if value is None:
        return "null"
    if isinstance(value, str):
        return encode_basestring(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, Decimal):
        return f'"{numeric_text(value)}"'
    if isinstance(value, float):
        return f'"{float8_text(value)}"' if isnan(value) or isinf(value) else float8_text(value)
    if isinstance(value, Mapping):
        return object_json((str(name), to_json(member)) for name, member in value.items())
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return f"[{','.join(map(to_json, value))}]"
    return encode_basestring(str(value))


def object_json(members: Iterable[tuple[str, str]]) -> str:
    """Return a JSON object of pairs of a name and the JSON of its value."""
    return "{" + ",".join(f"{encode_basestring(name)}:{text}" for name, text in members) + "}"


def key_json(aliases: Sequence[str], key: Sequence[Any]) -> str:
    """Return a key as a JSON object, by the names of its parts."""
    return object_json(zip(aliases, map(to_json, key), strict=True))


def row_id_of(key: Sequence[Any]) -> str | None:
    """Return a key as ``CdcEvent.row_id`` writes that of a row."""
    if len(key) == 1:
        return _text(key[0])
    return texts_json(map(_text, key)) if key else None


def _text(part: Any) -> str | None:
    """Return a part of a key as the server prints it; arrays are JSON."""
    if part is None or isinstance(part, str):
        return part
    if isinstance(part, bool):
        return "t" if part else "f"
    if isinstance(part, Decimal):
        return numeric_text(part)
    if isinstance(part, float):
        return float8_text(part)
    return to_json(part)
