"""Calls of aggregates, ``sum(new.amount * 2)``: taken apart, with expressions as arguments."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from bridge.core.errors import ConfigError
from bridge.expressions.errors import wrong
from bridge.expressions.names import nearest

AGGREGATES: Final[Mapping[str, tuple[str, tuple[int, ...]]]] = {
    "count": ("count() or count(x)", (0, 1)),
    "count_distinct": ("count(distinct x)", (1,)),
    "sum": ("sum(x)", (1,)),
    "avg": ("avg(x)", (1,)),
    "min": ("min(x)", (1,)),
    "max": ("max(x)", (1,)),
    "first": ("first(x)", (1,)),
    "last": ("last(x)", (1,)),
    "collect": ("collect(x) or collect(x, limit)", (1, 2)),
    "top_k": ("top_k(x, k)", (2,)),
    "quantile": ("quantile(x, q)", (2,)),
}
"""How each aggregate is written, and how many arguments it may have."""

_CALL: Final = re.compile(r"\s*([A-Za-z_]\w*)\s*\(")
_DISTINCT: Final = re.compile(r"\s*distinct\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class AggregateCall:
    """An aggregate over what its arguments are for each event.

    Attributes:
        function: one of ``AGGREGATES``; ``count_distinct`` for ``count(distinct x)``.
        arguments: the texts of its arguments; none for ``count()`` and ``count(*)``.
    """

    function: str
    arguments: tuple[str, ...]


def read_call(text: str) -> AggregateCall:
    """Take a call apart. What the arguments are is not looked at.

    Raises:
        ConfigError: with the place, if the text is not one call of an aggregate.
    """
    opening = _CALL.match(text)
    if opening is None:
        raise _no_call(text, 0)
    name = opening[1].lower()
    if name not in AGGREGATES:
        listed = ", ".join(takes for takes, _ in AGGREGATES.values())
        hint = nearest(name, AGGREGATES) or f"; there are {listed}"
        raise wrong(text, opening.start(1), f"there is no aggregate {name}(){hint}")
    commas, closing = _marks(text, opening.end())
    if text[closing + 1 :].strip():
        raise _no_call(text, closing + 1)
    edges = [opening.end() - 1, *commas, closing]
    arguments = [text[before + 1 : after].strip() for before, after in pairwise(edges)]
    if arguments == [""] or (name == "count" and arguments == ["*"]):
        arguments = []
    for argument, start in zip(arguments, edges, strict=False):
        if not argument:
            raise wrong(text, start + 1, "an argument is missing here")
    if name == "count" and arguments:
        distinct = _DISTINCT.match(arguments[0])
        if distinct is not None:
            name = "count_distinct"
            arguments[0] = arguments[0][distinct.end() :].strip()
    takes, counts = AGGREGATES[name]
    if len(arguments) not in counts:
        problem = f"{name} has {len(arguments)} arguments; write {takes}"
        raise wrong(text, opening.start(1), problem)
    return AggregateCall(name, tuple(arguments))


def _no_call(text: str, at: int) -> ConfigError:
    return wrong(text, at, "an aggregate is one call, such as sum(new.amount)")


def _marks(text: str, start: int) -> tuple[list[int], int]:
    """Return where the commas between the arguments are, and the parenthesis that closes them."""
    depth = 1
    commas: list[int] = []
    for at, mark in _outside_quotes(text, start):
        if mark in "([":
            depth += 1
        elif mark in ")]":
            depth -= 1
            if not depth:
                return commas, at
        elif mark == "," and depth == 1:
            commas.append(at)
    raise wrong(text, len(text), "a parenthesis or quotation is not closed")


def _outside_quotes(text: str, start: int) -> Iterator[tuple[int, str]]:
    """Yield the characters that are in no quotes; a doubled quote ends and opens them again."""
    quote = ""
    for at in range(start, len(text)):
        mark = text[at]
        if quote:
            if mark == quote:
                quote = ""
        elif mark in "'\"":
            quote = mark
        else:
            yield at, mark
