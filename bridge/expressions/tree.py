"""The tree of an expression as we understand it: what was read, checked and given a place.

``at`` is the place in the text, in characters from its start.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

Row: TypeAlias = str
"""Where a column is read: ``new``, ``old``, or ``row``: the new row, or the old one where there is
no new one. Any other name is that of one of several events, and its row is read as ``row`` is."""


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
class Earlier:
    """What events before have that a step of a pattern has accepted.

    Attributes:
        function: ``first`` or ``last`` event, ``sum`` of all, or ``count`` of the events.
        step: name of the step.
        column: of those events; empty for ``count``.
        at: as of all nodes.
    """

    function: Literal["first", "last", "sum", "count"]
    step: str
    column: str
    at: int

    @property
    def label(self) -> str:
        """The column that holds it, for whoever evaluates the expression."""
        return f"{self.function}({self.step}{'.' if self.column else ''}{self.column})"


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


Node: TypeAlias = "Constant | ColumnName | EventName | Earlier | Call | Cast | Case"


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
