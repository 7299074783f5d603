"""Array literals: the text that ``array_out`` prints, read into nested lists.

https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO
"""

from __future__ import annotations

import re
from functools import cache
from typing import TypeAlias

ArrayItems: TypeAlias = "list[str | ArrayItems | None]"

_SIMPLE = re.compile(r'\{[^{}"\\]*\}', re.DOTALL)


def parse_array(text: str, delimiter: str = ",") -> ArrayItems | None:
    """Read an array literal.

    Returns:
        The items as texts, None for NULL, a list for each inner dimension. None in place of the
        whole if a nested list cannot express it: lower bounds other than 1 (``[0:1]={7,8}``), or
        text that is no array literal.
    """
    if text == "{}":
        return []
    if _SIMPLE.fullmatch(text):
        return [None if item == "NULL" else item for item in text[1:-1].split(delimiter)]
    if not text.startswith("{"):
        return None
    items, end = _parse_level(text, 1, delimiter, depth=1)
    return items if end == len(text) else None


_MAX_DIMENSIONS = 6  # MAXDIM of the server


def _parse_level(
    text: str, start: int, delimiter: str, depth: int
) -> tuple[ArrayItems | None, int]:
    if depth > _MAX_DIMENSIONS:
        return None, start
    items: ArrayItems = []
    at, length = start, len(text)
    while at < length:
        item: str | ArrayItems | None
        if text[at] == "{":
            item, at = _parse_level(text, at + 1, delimiter, depth + 1)
            if item is None:
                return None, at
        elif text[at] == '"':
            item, at = _parse_quoted(text, at + 1)
        else:
            item, at = _parse_bare(text, at, delimiter)
        items.append(item)
        if at < length and text[at] == delimiter:
            at += 1
        elif at < length and text[at] == "}":
            return items, at + 1
        else:
            break
    return None, at


def _parse_quoted(text: str, start: int) -> tuple[str, int]:
    at, pieces = start, []
    quote = text.find('"', start)
    while quote >= 0:
        slash = text.find("\\", at, quote)
        if slash < 0:
            pieces.append(text[at:quote])
            return "".join(pieces), quote + 1
        pieces += [text[at:slash], text[slash + 1 : slash + 2]]
        at = slash + 2
        if at > quote:  # it was escaped
            quote = text.find('"', at)
    return "", len(text) + 1


def _parse_bare(text: str, start: int, delimiter: str) -> tuple[str | None, int]:
    match = _bare(delimiter).match(text, start)
    assert match is not None
    item = match[0]
    return (None if item == "NULL" else item), match.end()


@cache
def _bare(delimiter: str) -> re.Pattern[str]:
    return re.compile(rf"[^{{}}{re.escape(delimiter)}]*")
