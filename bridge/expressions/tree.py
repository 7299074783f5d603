"""The tree of an expression as we understand it: what was read, checked and given a place.

``at`` is the place in the text, in characters from its start.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

Row: TypeAlias = Literal["new", "old", "row"]
"""Where a column is read: ``row`` is the new row, or the old one where there is no new one."""


@dataclass(frozen=True, slots=True)
class Constant:
    """A literal: a number in its digits, a text, a boolean or NULL."""

    kind: Literal["number", "text", "boolean", "null"]
    text: str
    at: int


@dataclass(frozen=True, slots=True)
class ColumnName:
    """A column of the row."""

    row: Row
    name: str
    at: int


@dataclass(frozen=True, slots=True)
class EventName:
    """A property of the event, such as ``operation``."""

    name: str
    at: int


@dataclass(frozen=True, slots=True)
class Call:
    """A function or an operator by its name in PostgreSQL, applied to arguments."""

    name: str
    arguments: tuple[Node, ...]
    at: int


@dataclass(frozen=True, slots=True)
class Cast:
    """A conversion to the type with this name; ``modifiers`` as in ``numeric(10, 2)``."""

    value: Node
    type_name: str
    modifiers: tuple[int, ...]
    at: int


@dataclass(frozen=True, slots=True)
class Case:
    """Conditions with their results in turn, and the result if none holds."""

    branches: tuple[tuple[Node, Node], ...]
    otherwise: Node | None
    at: int


Node: TypeAlias = "Constant | ColumnName | EventName | Call | Cast | Case"


def children(node: Node) -> tuple[Node, ...]:
    """Return the nodes directly below a node."""
    match node:
        case Call():
            return node.arguments
        case Cast():
            return (node.value,)
        case Case():
            below = tuple(part for branch in node.branches for part in branch)
            return below if node.otherwise is None else (*below, node.otherwise)
        case _:
            return ()


def walk(node: Node) -> Iterator[Node]:
    """Yield the node and all below it, from left to right."""
    yield node
    for child in children(node):
        yield from walk(child)
