"""Functions over texts. Positions count characters from 1, as in SQL."""

from __future__ import annotations

from bridge.expressions.errors import EvaluationError

MAX_TEXT = 100_000_000
"""Of a text that an expression makes, in characters."""


def length(text: str) -> int:
    """Count the characters."""
    return len(text)


def substring(text: str, start: int, count: int | None = None) -> str:
    """Return ``count`` characters from ``start``, which may lie before the text."""
    if count is None:
        return text[max(0, start - 1) :]
    if count < 0:
        raise EvaluationError("negative substring length not allowed")
    return text[max(0, start - 1) : max(0, start - 1 + count)]


def left(text: str, count: int) -> str:
    """Return the first characters, or all but the last ``-count``."""
    return text[:count]


def right(text: str, count: int) -> str:
    """Return the last characters, or all but the first ``-count``."""
    if count >= 0:
        return text[max(0, len(text) - count) :]
    return text[-count:]


def btrim(text: str, characters: str = " ") -> str:
    """Drop characters of the set from both ends."""
    return text.strip(characters) if characters else text


def ltrim(text: str, characters: str = " ") -> str:
    """Drop characters of the set from the start."""
    return text.lstrip(characters) if characters else text


def rtrim(text: str, characters: str = " ") -> str:
    """Drop characters of the set from the end."""
    return text.rstrip(characters) if characters else text


def replace(text: str, old: str, new: str) -> str:
    """Replace every occurrence; an empty ``old`` replaces nothing."""
    if not old:
        return text
    if len(new) > len(old) and len(text) + text.count(old) * (len(new) - len(old)) > MAX_TEXT:
        raise EvaluationError("the text becomes too long")
    return text.replace(old, new)


def strpos(text: str, part: str) -> int:
    """Return where ``part`` begins, 0 if it is nowhere."""
    return text.find(part) + 1


def split_part(text: str, delimiter: str, number: int) -> str:
    """Return a field, counted from 1, or from the end if negative."""
    if number == 0:
        raise EvaluationError("field position must not be zero")
    fields = text.split(delimiter) if delimiter else [text]
    at = number - 1 if number > 0 else len(fields) + number
    return fields[at] if 0 <= at < len(fields) else ""


def lower(text: str) -> str:
    """Lower case, character by character."""
    return text.lower() if text.isascii() else "".join(map(_lower_char, text))


def upper(text: str) -> str:
    """Upper case, character by character."""
    return text.upper() if text.isascii() else "".join(map(_upper_char, text))


def _lower_char(char: str) -> str:
    lowered = char.lower()
    return lowered if len(lowered) == 1 else char


def _upper_char(char: str) -> str:
    raised = char.upper()
    return raised if len(raised) == 1 else char


def concatenate(left: str, right: str) -> str:
    """``left || right``."""
    if len(left) + len(right) > MAX_TEXT:
        raise EvaluationError("the text becomes too long")
    return left + right


def unpadded(text: str) -> str:
    """Return a ``character(n)`` as text: the spaces at its end mean nothing."""
    return text.rstrip(" ")
