"""Conditions of the steps of a pattern, judged when an event comes, or when its turn is.

What an event alone decides is decided once, when it comes, so that a yes or no is all that is kept
of it. Only what looks at events that were accepted before needs columns to be kept: as the texts
of the server, with their types.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, TypeAlias

from bridge.core.errors import ConfigError
from bridge.core.events import ABSENT, CdcEvent, Operation, Source, Texts, Transaction
from bridge.core.relation import Column, Relation, ReplicaIdentity, make_columns
from bridge.core.types import BUILTIN_TYPES
from bridge.core.values import Form, ValueStyle, column_form, to_python
from bridge.expressions import Condition, EvaluationError
from bridge.expressions.floats import float8_text
from bridge.expressions.names import nearest
from bridge.expressions.numbers import numeric_text
from bridge.expressions.tree import Earlier
from bridge.processing.aggregates import AggregationFunction
from bridge.processing.events import StreamEvent

Matched: TypeAlias = Mapping[str, Sequence[StreamEvent]]

TEXT_OID: Final = 25
INT8_OID: Final = 20
FLOAT8_OID: Final = 701
NUMERIC_OID: Final = 1700

_OID_OF_FORM: Final = {
    Form.INTEGER: INT8_OID,
    Form.INTEGER_TEXT: INT8_OID,
    Form.FLOAT: FLOAT8_OID,
    Form.DECIMAL: NUMERIC_OID,
    Form.DECIMAL_TEXT: NUMERIC_OID,
    Form.BOOLEAN: 16,
    Form.JSON: 114,
    Form.TIMESTAMP: 1184,
}
"""What a type of the database is like, by its form; all others are texts."""

_NUMBERS: Final = (Form.INTEGER, Form.DECIMAL_TEXT, Form.FLOAT)
_STYLE: Final = ValueStyle()
_NOWHERE: Final = Transaction(Source("0", ""), None, 0, 0)  # late conditions do not read it
_SUM: Final = AggregationFunction.Sum()
_MAX_RELATIONS: Final = 1000


class KeptColumns:
    """The columns that late conditions read, and how they are kept of an event.

    Args:
        names: of the columns.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self._places: dict[Relation, tuple[tuple[int, ...], tuple[int, ...]]] = {}
        self._relations: dict[tuple[tuple[str, int], ...], Relation] = {}

    def of(self, event: CdcEvent) -> tuple[Any, ...]:
        """Return what is kept of an event: plain data.

        Returns:
            the types of the columns, 0 for one that the table does not have; the texts of the new
            row, and of the old one, each None without such a row.
        """
        places, oids = self._places_in(event.relation)
        new, old = event.new, event.old
        return (
            oids,
            None if new is None else tuple(_text(new, old, place) for place in places),
            None if old is None else tuple(_text(old, None, place) for place in places),
        )

    def _places_in(self, relation: Relation) -> tuple[tuple[int, ...], tuple[int, ...]]:
        known = self._places.get(relation)
        if known is None:
            if len(self._places) >= _MAX_RELATIONS:
                self._places.clear()
            columns = {
                column.name: (i, oid_of(column)) for i, column in enumerate(relation.columns)
            }
            found = [columns.get(name, (-1, 0)) for name in self.names]
            known = tuple(place for place, _ in found), tuple(oid for _, oid in found)
            self._places[relation] = known
        return known

    def relation(self, columns: tuple[tuple[str, int], ...]) -> Relation:
        """Return the relation with these columns and types; what it lacks is NULL, as a message's.

        The same columns give the same object.
        """
        relation = self._relations.get(columns)
        if relation is None:
            if len(self._relations) >= _MAX_RELATIONS:
                self._relations.clear()
            described = [(name, oid, -1, False) for name, oid in columns]
            relation = self._relations[columns] = Relation(
                oid=0,
                schema=None,
                table=None,
                replica_identity=ReplicaIdentity.NOTHING,
                columns=make_columns(described, BUILTIN_TYPES, _STYLE),
            )
        return relation


def oid_of(column: Column) -> int:
    """Return the type of a column, or the built-in one that is like it."""
    if column.type_oid in BUILTIN_TYPES:
        return column.type_oid
    return _OID_OF_FORM.get(column.form.form, TEXT_OID)


def _text(row: Texts, before: Texts | None, place: int) -> str | None:
    if place < 0:
        return None
    text = row[place]
    if text is ABSENT:
        text = None if before is None else before[place]
    return None if text is ABSENT else text


class LateCondition:
    """A condition that looks at what was accepted before, and at columns of the event.

    Args:
        condition: which reads ``first``, ``last``, ``sum`` or ``count`` of steps.
        columns: kept of every event.
        undecided: called when it has no value, which counts as no.

    Raises:
        ConfigError: it reads a property of the event, such as ``operation``.
    """

    def __init__(
        self, condition: Condition, columns: KeptColumns, undecided: Callable[[], None]
    ) -> None:
        if condition.properties:
            raise ConfigError(
                f"A condition that looks at earlier events cannot read {condition.properties[0]}.",
                remedy='Make two conditions of it: where: ["...", "..."].',
            )
        self._condition = condition
        self._columns = columns
        self._undecided = undecided
        self._index = {name: i for i, name in enumerate(columns.names)}

    def __call__(self, event: StreamEvent, matched: Matched) -> bool | None:
        """Return whether it holds; None if that is unknown.

        Raises:
            ConfigError: types do not fit.
        """
        oids, new, old = event.value[2]
        own = [i for i, oid in enumerate(oids) if oid]
        earlier = [
            (term.label, *found)
            for term in self._condition.earlier
            if (found := self._found(term, matched[term.step])) is not None
        ]
        names = self._columns.names
        relation = self._columns.relation(
            (
                *((names[i], oids[i]) for i in own),
                *((label, oid) for label, oid, _ in earlier),
            )
        )
        texts = tuple(text for _, _, text in earlier)
        rows = [None if row is None else (*(row[i] for i in own), *texts) for row in (new, old)]
        try:
            return self._condition(
                CdcEvent(_NOWHERE, 0, 0, Operation.INSERT, relation, rows[0], rows[1])
            )
        except EvaluationError:
            self._undecided()
            return None

    def _found(
        self, term: Earlier, accepted: Sequence[StreamEvent]
    ) -> tuple[int, str | None] | None:
        """Return type and text of a term; None if nothing was accepted that could tell the type."""
        if term.function == "count":
            return INT8_OID, str(len(accepted))
        if not accepted:
            return None
        i = self._index[term.column]
        if term.function == "sum":
            return _sum(accepted, i)
        return _kept(accepted[0 if term.function == "first" else -1], i)

    def check(self, relation: Relation, own: bool, steps: Sequence[str]) -> None:
        """Check the columns and types as far as a table tells them.

        Args:
            relation: the table.
            own: whether the condition is judged on events of it.
            steps: those that accept events of it.

        Raises:
            ConfigError: a column is missing, or types do not fit.
        """
        columns = {column.name: oid_of(column) for column in relation.columns}
        mine = [term for term in self._condition.earlier if term.step in steps and term.column]
        names = [name for _, name in self._condition.columns] if own else []
        for name in (*names, *(term.column for term in mine)):
            if name not in columns:
                raise ConfigError(
                    f"{relation.qualified_name} has no column {name}{nearest(name, columns)}."
                )
        typed = [(term.label, columns[term.column], term) for term in mine]
        for label, oid, term in typed:
            if term.function == "sum" and _form(oid) not in _NUMBERS:
                raise ConfigError(f"{label} is a sum of what is no number.")
        if own:
            known = {name: columns[name] for name in names}
            known |= {
                label: _type_of_sum(oid) if term.function == "sum" else oid
                for label, oid, term in typed
            }
            known |= {t.label: INT8_OID for t in self._condition.earlier if not t.column}
            self._condition.check(self._columns.relation(tuple(known.items())))


def _kept(event: StreamEvent, i: int) -> tuple[int, str | None] | None:
    oids, new, old = event.value[2]
    row = old if new is None else new
    return None if row is None or not oids[i] else (oids[i], row[i])


def _sum(accepted: Sequence[StreamEvent], i: int) -> tuple[int, str | None] | None:
    oid = 0
    state: Any = _SUM.create()
    for event in accepted:
        kept = _kept(event, i)
        if kept is not None:
            oid, text = kept
            value = (
                None if text is None else to_python(column_form(oid, BUILTIN_TYPES, _STYLE))(text)
            )
            state = _SUM.add(state, value, (event.timestamp, event.sequence))
    total = _SUM.result(state)
    if not oid:
        return None
    if isinstance(total, float):
        return FLOAT8_OID, float8_text(total)
    return _type_of_sum(oid), None if total is None else numeric_text(Decimal(total))


def _type_of_sum(oid: int) -> int:
    return FLOAT8_OID if _form(oid) is Form.FLOAT else NUMERIC_OID


def _form(oid: int) -> Form:
    return column_form(oid, BUILTIN_TYPES, _STYLE).form
