"""Data of events and states of aggregates as JSON texts, and back.

What cannot be read back as it was is refused, with its place and never with its value. A Decimal
becomes a string, so that no digit is lost.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import msgspec

from bridge.core.errors import EnvironmentProblem
from bridge.eventsourcing.errors import InvalidInput

_PLAIN: Final = frozenset({str, int, bool, type(None)})
_MAX_DEPTH: Final = 100
_MAX_INTEGER_BITS: Final = 14_000
"""Python reads integers of up to 4300 digits."""
_LONGEST_UNSEEN: Final = 4_000
"""Characters of a JSON text that has no room for an integer of too many digits."""

_encoder: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder()
_dump_ascii: Final = json.JSONEncoder(
    allow_nan=False, check_circular=False, separators=(",", ":")
).encode


def usual_objects(values: list[Any]) -> tuple[list[str], list[dict[str, Any]]] | None:
    """Return JSON objects as texts, and as reading those gives them, if that is quick to tell.

    It is if each is a dict that equals what is read, as usual data are. Whatever is not, or is not
    JSON at all, is for ``exact_object``.

    Returns:
        texts and objects, one for each value; None if one of the values is not usual.
    """
    try:
        lines = _encoder.encode_lines(values)
        read = _decoder.decode_lines(lines)
        if read != values or set(map(type, values)) != {dict}:
            return None
    except Exception:  # of the library, or of a value that does not want to be compared
        return None
    texts = lines.decode().split("\n")
    texts.pop()  # behind the end of the last line
    if max(map(len, texts)) > _MAX_DEPTH and not all(map(_is_within_limits, texts, read)):
        return None
    return texts, read


def _is_within_limits(text: str, value: object) -> bool:
    """Tell whether a value is not too deep and has no too long integers."""
    may_be_deep = text.count("{") + text.count("[") > _MAX_DEPTH
    return is_exact(value) if may_be_deep or len(text) > _LONGEST_UNSEEN else True


def exact_object(value: object, what: str) -> Mapping[str, Any]:
    """Return a JSON object as reading its JSON gives it; the same one if it is that already.

    Args:
        value: a mapping with texts as keys.
        what: where it belongs, for messages: "The data of MoneyDeposited".

    Raises:
        InvalidInput: something in it is no JSON; the message says where.
    """
    if type(value) is dict and is_exact(value):
        return value
    if not isinstance(value, Mapping):
        raise _refused(what, (), f"has to be a JSON object, and is of type {type(value).__name__}")
    found: Mapping[str, Any] = _converted(value, what, ())
    return found


def encode_object(value: object, what: str) -> str:
    """Return a JSON object as text; see ``exact_object``."""
    return encode_exact(exact_object(value, what))


def encode(value: object, what: str) -> str:
    """Return any JSON value as text.

    Raises:
        InvalidInput: see ``exact_object``.
    """
    return encode_exact(value if is_exact(value) else _converted(value, what, ()))


def encode_exact(value: Any) -> str:
    """Return a value that ``is_exact`` as JSON text."""
    try:
        return _encoder.encode(value).decode()
    except UnicodeEncodeError:  # half of a surrogate pair, which no UTF-8 can hold
        return _dump_ascii(value)


def decode(text: str) -> Any:
    """Return the value of a JSON text that ``encode`` made. Raises ``ValueError`` for another."""
    try:
        return _decoder.decode(text)
    except ValueError:
        return json.loads(text)  # which also reads half of a surrogate pair


def damaged(what: str) -> EnvironmentProblem:
    """Return the error for a stored text that ``decode`` does not read.

    Args:
        what: it is, for messages: "The event 7 of an Account".
    """
    return EnvironmentProblem(
        f"{what} is damaged: it is no JSON any more.",
        remedy="Run pgbridge events verify, which names all that is damaged; restore the store.",
    )


def is_exact(value: object, depth: int = 0) -> bool:
    """Tell whether reading the JSON of a value gives an equal value of the same types."""
    kind = type(value)
    if kind is dict:
        if depth > _MAX_DEPTH:
            return False
        for key, item in value.items():  # type: ignore[attr-defined]
            if type(key) is not str:
                return False
            inner = type(item)
            if inner is str or (inner is int and item.bit_length() <= _MAX_INTEGER_BITS):
                continue  # mostly, and without a call for each
            if not is_exact(item, depth + 1):
                return False
        return True
    if kind is int:
        return value.bit_length() <= _MAX_INTEGER_BITS  # type: ignore[attr-defined, no-any-return]
    if kind in _PLAIN:
        return True
    if kind is float:
        return math.isfinite(value)  # type: ignore[arg-type]
    if kind is list:
        return depth <= _MAX_DEPTH and all(
            is_exact(item, depth + 1)
            for item in value  # type: ignore[attr-defined]
        )
    return False


def _converted(value: object, what: str, path: tuple[str | int, ...]) -> Any:
    """Return the value with JSON's own types alone, or say what is wrong where."""
    if len(path) > _MAX_DEPTH:
        raise _refused(what, path, f"is nested deeper than {_MAX_DEPTH} levels")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        if value.bit_length() > _MAX_INTEGER_BITS:
            raise _refused(what, path, "is an integer of more than 4200 digits")
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise _refused(what, path, "is not finite, and JSON has no such number")
        return float(value)
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise _refused(what, path, f"has a key of type {type(key).__name__}, not a text")
        return {str.__str__(k): _converted(item, what, (*path, k)) for k, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray | memoryview):
        return [_converted(item, what, (*path, n)) for n, item in enumerate(value)]
    raise _refused(what, path, f"is of type {type(value).__name__}, which JSON does not have")


def _refused(what: str, path: tuple[str | int, ...], problem: str) -> InvalidInput:
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path[:8])
    where = f"{what}, at {place.removeprefix('.')}," if place else f"{what}"
    return InvalidInput(
        f"{where} {problem}.",
        remedy="Use texts, numbers, true, false, null, lists, and mappings with texts as keys.",
    )
