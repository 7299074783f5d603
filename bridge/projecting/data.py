"""The data of an event, out of the row before and after a change."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from bridge.core.events import ABSENT, CdcEvent, Texts
from bridge.core.relation import Relation
from bridge.core.values import to_json as column_to_json
from bridge.dataflow.places import at_place
from bridge.dataflow.results import object_json, to_json
from bridge.dataflow.rows import row_json, row_of
from bridge.expressions import Expression

Write: TypeAlias = Callable[[CdcEvent], "str | None"]
"""Returns the JSON of a value; None if the server did not send it."""

_MAX_RELATIONS: Final = 1000


class EventData:
    """Writes the data of the events of one rule.

    A column looks as in the format ``native``, the result of an expression as in results of
    processors. Columns that the server did not send, because they are large and have not changed,
    are left out.

    Args:
        fields: by the name in the data, expressions; None for the whole row.
        place: of the fields in the configuration, for errors.

    Attributes:
        expressions: by place.
    """

    def __init__(self, fields: Mapping[str, str] | None, place: str) -> None:
        self.expressions: dict[str, Expression] = {}
        self._fields: dict[str, Expression] | None = None
        if fields is not None:
            self._fields = {}
            for name, text in fields.items():
                with at_place(f"{place}.{name}"):
                    expression = Expression(text)
                self._fields[name] = self.expressions[f"{place}.{name}"] = expression
        self._writers: dict[Relation, list[tuple[str, Write]]] = {}

    def __call__(self, event: CdcEvent) -> str:
        """Return the data for a change, as a JSON object.

        Raises:
            ConfigError: the relation lacks a column, or has it in another type.
            EvaluationError: there is no value.
        """
        if self._fields is None:
            return row_json(event)
        writers = self._writers.get(event.relation)
        if writers is None:
            if len(self._writers) >= _MAX_RELATIONS:
                self._writers.clear()
            writers = [(name, _writer(e, event.relation)) for name, e in self._fields.items()]
            self._writers[event.relation] = writers
        written = ((name, write(event)) for name, write in writers)
        return object_json((name, text) for name, text in written if text is not None)


def _writer(expression: Expression, relation: Relation) -> Write:
    expression.check(relation)
    if expression.column is None:
        return lambda event: to_json(expression(event))
    [(row, column)] = expression.columns
    place = [it.name for it in relation.columns].index(column)
    form = column_to_json(relation.columns[place].form)
    choose = _old if row == "old" else row_of

    def write(event: CdcEvent) -> str | None:
        text = choose(event)[place]
        if text is ABSENT:
            return None
        return "null" if text is None else form(text)

    return write


def _old(event: CdcEvent) -> Texts:
    assert event.old is not None, "checked with the relation"
    return event.old
