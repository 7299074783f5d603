"""Members of JSON documents, as the text that stands in the document.

A document is a text. A member is found by reading over what stands before it, so that numbers
keep every digit.
"""

from __future__ import annotations

import re
from decimal import Decimal
from json.decoder import JSONDecodeError, JSONDecoder, scanstring  # type: ignore[attr-defined]
from typing import Any, Final

from bridge.core.arrays import parse_array
from bridge.expressions.errors import EvaluationError

_SPACE: Final = re.compile(r"[ \t\n\r]*")
# Values are read over only; no number is converted.
_DECODER: Final = JSONDecoder(parse_int=str, parse_float=str, parse_constant=str)
_EXACT: Final = JSONDecoder(parse_int=Decimal, parse_float=Decimal)


def member(document: str, key: str) -> str | None:
    """``document -> 'key'``: the last member of that name; None if there is none."""
    found = None
    try:
        for name, value in _members(document):
            if name == key:
                found = value
    except (JSONDecodeError, RecursionError):
        raise EvaluationError("a document cannot be read") from None
    return found


def element(document: str, index: int) -> str | None:
    """``document -> index``: counted from 0, or from the end if negative."""
    try:
        elements = list(_elements(document))
    except (JSONDecodeError, RecursionError):
        raise EvaluationError("a document cannot be read") from None
    return elements[index] if -len(elements) <= index < len(elements) else None


def jsonb_element(document: str, index: int) -> str | None:
    """As ``element``; a ``jsonb`` that is a scalar counts as an array of it."""
    if document[:1] in ("{", "["):
        return element(document, index)
    return document if index in (0, -1) else None


def text_of(document: str | None) -> str | None:
    """Return what ``->>`` makes of a member: the text in a string, NULL for null."""
    if document is None:
        return None
    document = document.strip(" \t\n\r")
    if document == "null":
        return None
    if document.startswith('"'):
        text: str = scanstring(document, 1, False)[0]
        if "\\u" in document and any("\ud800" <= c <= "\udfff" or c == "\0" for c in text):
            raise EvaluationError("a text in a document is no valid Unicode text")
        return text
    return document


def member_text(document: str, key: str) -> str | None:
    """``document ->> 'key'``."""
    return text_of(member(document, key))


def element_text(document: str, index: int) -> str | None:
    """``document ->> index``."""
    return text_of(element(document, index))


def jsonb_element_text(document: str, index: int) -> str | None:
    """``document ->> index`` of a ``jsonb``."""
    return text_of(jsonb_element(document, index))


def at_path(document: str, path: list[str | None]) -> str | None:
    """``document #> path``."""
    found: str | None = document
    for step in path:
        if found is None or step is None:
            return None
        if found.lstrip(" \t\n\r").startswith("["):
            digits = step.strip()
            if not re.fullmatch(r"[+-]?[0-9]{1,9}", digits, re.ASCII):
                return None
            found = element(found, int(digits))
        else:
            found = member(found, step)
    return found


def text_at_path(document: str, path: list[str | None]) -> str | None:
    """``document #>> path``."""
    return text_of(at_path(document, path))


def equal(left: str, right: str) -> bool:
    """Whether two ``jsonb`` are equal: numbers by their value, whatever their digits."""
    try:
        return _equal(_EXACT.decode(left), _EXACT.decode(right))
    except (JSONDecodeError, RecursionError):
        raise EvaluationError("a document cannot be read") from None


def _equal(left: Any, right: Any) -> bool:
    if type(left) is not type(right):
        return False
    if isinstance(left, list):
        return len(left) == len(right) and all(map(_equal, left, right))
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(_equal(v, right[k]) for k, v in left.items())
    return bool(left == right)


def parse_document(text: str) -> str:
    """Check that a text is a document.

    Raises:
        ValueError: it is none.
    """
    JSONDecoder(parse_constant=_no_constant).decode(text)
    return text


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def parse_path(text: str) -> list[str | None]:
    """Read a path literal, ``{a,0,b}``.

    Raises:
        ValueError: it is no one-dimensional array.
    """
    items = parse_array(text)
    if items is None or any(isinstance(item, list) for item in items):
        raise ValueError("not a path")
    return [item for item in items if not isinstance(item, list)]


def _members(document: str) -> Any:
    at = _skip(document, 0)
    if document[at : at + 1] != "{":
        return
    at = _skip(document, at + 1)
    while document[at : at + 1] == '"':
        key, at = scanstring(document, at + 1, False)
        at = _skip(document, _skip(document, at) + 1)
        _, end = _DECODER.raw_decode(document, at)
        yield key, document[at:end]
        at = _skip(document, end)
        if document[at : at + 1] != ",":
            return
        at = _skip(document, at + 1)


def _elements(document: str) -> Any:
    at = _skip(document, 0)
    if document[at : at + 1] != "[":
        return
    at = _skip(document, at + 1)
    while at < len(document) and document[at] != "]":
        _, end = _DECODER.raw_decode(document, at)
        yield document[at:end]
        at = _skip(document, end)
        if document[at : at + 1] != ",":
            return
        at = _skip(document, at + 1)


def _skip(document: str, at: int) -> int:
    found = _SPACE.match(document, at)
    assert found is not None
    return found.end()
