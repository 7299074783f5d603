"""SQL expressions over a change: conditions of filters and routes, and values.

``docs/expressions.md`` says what can be written and what it means. An expression is read and
checked when it is loaded, and made into a Python function for each relation that it meets.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Final

from bridge.core.events import CdcEvent
from bridge.core.relation import Relation
from bridge.core.values import Value
from bridge.expressions.compiler import Evaluate, compile_tree
from bridge.expressions.errors import EvaluationError
from bridge.expressions.names import ROWS
from bridge.expressions.tree import ColumnName, Earlier, EventName, walk
from bridge.expressions.types import BOOL, SqlType

__all__ = [
    "Condition",
    "EvaluationError",
    "Expression",
    "compile_condition",
    "compile_value",
]

_MAX_RELATIONS: Final = 1000
"""Functions that an expression keeps; a table gets a new relation when its stream restarts."""


class Expression:
    """A value over events.

    Args:
        text: the expression.
        rows: what can stand before a column: ``new`` and ``old``, or the names of several events.
        steps: steps of a pattern, in a condition that looks at what they have accepted.

    Attributes:
        columns: what it reads of rows, as ``("new", name)``, ``("old", name)`` or, for a bare
            name, ``("row", name)``.
        earlier: what it reads of events before. Who evaluates it gives the event columns with
            these labels.

    Raises:
        ConfigError: with the place, if the text is no expression that is supported.
    """

    __slots__ = ("_functions", "_tree", "columns", "earlier", "text")

    _expected: SqlType | None = None

    def __init__(
        self, text: str, *, rows: Sequence[str] = ROWS, steps: Collection[str] = ()
    ) -> None:
        from bridge.expressions.reading import read  # sqlglot costs time and memory to import

        self.text = text
        self._tree = read(text, rows, steps)
        self._functions: dict[Relation, Evaluate] = {}
        self.columns = tuple(
            dict.fromkeys(
                (node.row, node.name) for node in walk(self._tree) if isinstance(node, ColumnName)
            )
        )
        self.earlier = tuple(node for node in walk(self._tree) if isinstance(node, Earlier))
        if not (self.columns or self.earlier):  # so that all that can be wrong is found now
            compile_tree(text, self._tree, None, self._expected)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.text!r}>"

    @property
    def properties(self) -> tuple[str, ...]:
        """What it reads of the event beside its rows, such as ``operation``."""
        nodes = walk(self._tree)
        return tuple(dict.fromkeys(node.name for node in nodes if isinstance(node, EventName)))

    @property
    def column(self) -> str | None:
        """The name of the column that it is; None if it is something else."""
        return self._tree.name if isinstance(self._tree, ColumnName) else None

    @property
    def label(self) -> str:
        """What results call it: the name of the column that it is, or else its text."""
        tree = self._tree
        return tree.name if isinstance(tree, ColumnName | EventName) else self.text

    def check(self, relation: Relation) -> None:
        """Check that the columns are there and that their types fit.

        Raises:
            ConfigError: with the place.
        """
        compile_tree(self.text, self._tree, relation, self._expected)

    def __call__(self, event: CdcEvent) -> Value:
        """Return the value for an event.

        Raises:
            ConfigError: the event's table lacks a column, or has one of a type that does not fit.
            EvaluationError: there is no value for this event, such as after a division by zero.
        """
        function = self._functions.get(event.relation) or self._function(event.relation)
        try:
            value: Value = function(event)
        except EvaluationError as error:
            raise EvaluationError(f"{error.message} in the expression {self.text!r}") from None
        except (ArithmeticError, ValueError):
            # Without the cause, which may quote a value.
            raise EvaluationError(f"no value for the expression {self.text!r}") from None
        return value

    def _function(self, relation: Relation) -> Evaluate:
        function = self._compile(relation)
        if len(self._functions) >= _MAX_RELATIONS:
            self._functions.clear()
        self._functions[relation] = function
        return function

    def _compile(self, relation: Relation) -> Evaluate:
        return compile_tree(self.text, self._tree, relation, self._expected)


class Condition(Expression):
    """A condition over events: True, False, or None for unknown, as in SQL."""

    __slots__ = ()

    _expected = BOOL

    if TYPE_CHECKING:

        def __call__(self, event: CdcEvent) -> bool | None:
            """Return whether the condition holds; None, which is neither, counts as no."""


def compile_condition(text: str, *, steps: Collection[str] = ()) -> Condition:
    """Return a condition; with ``steps`` one that can look at what these have accepted.

    Raises:
        ConfigError: with the place, if the text is no condition that is supported.
    """
    return Condition(text, steps=steps)


def compile_value(text: str, *, rows: Sequence[str] = ROWS) -> Expression:
    """Return an expression of any type; with ``rows`` one over the columns of several events.

    Raises:
        ConfigError: with the place, if the text is no expression that is supported.
    """
    return Expression(text, rows=rows)
