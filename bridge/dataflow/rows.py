"""Rows as JSON, in the forms of the format ``native``: what joins and patterns keep of an event."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from json import JSONDecoder
from typing import Final, TypeAlias

from bridge.core.events import ABSENT, CdcEvent, PartialRow, Texts
from bridge.core.relation import Relation
from bridge.core.values import to_json as column_to_json
from bridge.dataflow.results import object_json, to_json
from bridge.expressions import Expression
from sinks.formats.row_json import Encoder, Encoders, RowJson

Pieces: TypeAlias = "tuple[str | None, ...]"
"""The JSON of each selected value; None for a column that was not sent."""

_MAX_RELATIONS: Final = 1000
_decode = JSONDecoder().raw_decode


def row_of(event: CdcEvent) -> Texts:
    """Return the new row, or the old one where there is none; what was not sent is ABSENT.

    The event has to have a row.
    """
    row, old = event.new, event.old
    if row is None:
        row, old = old, None
    assert row is not None
    if old is None or type(row) is not PartialRow:
        return row
    whole = tuple(before if text is ABSENT else text for text, before in zip(row, old, strict=True))
    return PartialRow(whole) if any(text is ABSENT for text in whole) else whole


def _writer(relation: Relation) -> Encoder:
    rows = RowJson(relation)
    return lambda event: f"{{{rows.any(row_of(event))}}}"


row_json = Encoders("row", _writer).encode
"""Return the row of an event as a JSON object, without columns that were not sent."""


def with_missing(row: str, before: str, columns: Sequence[str]) -> str:
    """Return a row with the columns that it lacks taken from another one.

    Args:
        row: as ``row_json`` writes it.
        before: where missing columns are taken from, if it has them.
        columns: names of the columns, in their order.
    """
    members = {**_members(before), **_members(row)}
    return object_json((name, members[name]) for name in columns if name in members)


def _members(row: str) -> dict[str, str]:
    """Take a JSON object apart, and leave the text of each value as it is."""
    members: dict[str, str] = {}
    at = 1
    while row[at] == '"':
        name, colon = _decode(row, at)
        start = _after_space(row, colon + 1)
        _, end = _decode(row, start)
        members[name] = row[start:end]
        at = _after_space(row, end)
        if row[at] == "}":
            break
        at += 1
    return members


def _after_space(text: str, at: int) -> int:
    """Return where the next token is: documents of the type ``json`` keep their spaces."""
    return len(text) - len(text[at:].lstrip(" \t\n\r")) if text[at] in " \t\n\r" else at


class Selected:
    """Writes the values that a definition selects of the rows of one input.

    A column looks as in the row; what an expression gives as in the aggregates of a window.

    Args:
        expressions: over one row.
    """

    def __init__(self, expressions: Sequence[Expression]) -> None:
        self._expressions = tuple(expressions)
        self._writers: dict[Relation, tuple[Callable[[CdcEvent], str | None], ...]] = {}

    def __call__(self, event: CdcEvent) -> Pieces:
        """Return the JSON of each value.

        Raises:
            ConfigError: the relation lacks a column, or has it in another type.
            EvaluationError: there is no value.
        """
        writers = self._writers.get(event.relation)
        if writers is None:
            if len(self._writers) >= _MAX_RELATIONS:
                self._writers.clear()
            writers = tuple(_value_writer(e, event.relation) for e in self._expressions)
            self._writers[event.relation] = writers
        return tuple([write(event) for write in writers])


def _value_writer(expression: Expression, relation: Relation) -> Callable[[CdcEvent], str | None]:
    if expression.column is None:
        return lambda event: to_json(expression(event))
    names = [column.name for column in relation.columns]
    place = names.index(expression.column)
    form = column_to_json(relation.columns[place].form)

    def write(event: CdcEvent) -> str | None:
        text = row_of(event)[place]
        if text is ABSENT:
            return None
        return "null" if text is None else form(text)

    return write
