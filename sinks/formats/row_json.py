"""Rows as members of a JSON object, by functions that are generated once for each relation."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from json.encoder import encode_basestring
from typing import Any

from bridge.core.events import ABSENT, CdcEvent, Texts
from bridge.core.relation import Relation
from bridge.core.values import ColumnForm, Form, array_to_json, timestamp_json, to_json

Encoder = Callable[[CdcEvent], str]
ValueJson = Callable[[str], str]
"""From the text of a value that is not NULL to its JSON."""

_INLINE = {
    Form.INTEGER: "{}",
    **dict.fromkeys(
        (Form.INTEGER_TEXT, Form.DECIMAL_TEXT, Form.PLAIN, Form.TEXT, Form.BYTES), "text_json({})"
    ),
    Form.BOOLEAN: '"true" if {} == "t" else "false"',
    Form.TIMESTAMP: "timestamp_json({})",
}
"""Source of the JSON of a value, where that is faster than to call a function of its own."""


class Encoders:
    """Encoders of one format, each made when its relation is first met.

    Args:
        name: under which the relation keeps it; different encoders need different names.
        make: makes the encoder of a relation.
    """

    def __init__(self, name: str, make: Callable[[Relation], Encoder]) -> None:
        self._name = name
        self._make = make

    def encoder(self, relation: Relation) -> Encoder:
        """Return the encoder for the events of a relation."""
        encoder = relation.encoders.get(self._name)
        if encoder is None:
            encoder = relation.encoders[self._name] = self._make(relation)
        return encoder

    def encode(self, event: CdcEvent) -> str:
        """Encode an event of any relation."""
        return self.encoder(event.relation)(event)


class RowJson:
    """How the rows of one relation look.

    Args:
        relation: whose rows.
        values: how values of some forms look where not as in the format ``native``; for an array
            that is the form of its elements.
        rename: from the name of a column to that of its member.

    Attributes:
        columns: for each column the begin of its member, ``"id":``, and the function for its value.
        complete: from a row without absent columns to the members of its object, without the
            braces: ``"id":1,"name":"Anne"``.
        source: the inside of a single-quoted f-string that ``complete`` returns, from the texts
            ``v0``, ``v1`` and so on.
        names: the globals that ``source`` needs.
    """

    __slots__ = ("_documents", "columns", "complete", "names", "source")

    def __init__(
        self,
        relation: Relation,
        values: Mapping[Form, ValueJson] | None = None,
        rename: Callable[[str], str] = str,
    ) -> None:
        values = values or {}
        self.columns = [
            (f"{encode_basestring(rename(column.name))}:", _value_json(column.form, values))
            for column in relation.columns
        ]
        self.names: dict[str, Any] = {
            "text_json": encode_basestring,
            "timestamp_json": timestamp_json,
        }
        members = []
        for i, (column, (begin, function)) in enumerate(
            zip(relation.columns, self.columns, strict=True)
        ):
            form = column.form.form
            inline = None if form in values else _INLINE.get(form)
            self.names[f"json{i}"] = function
            some = inline.format(f"v{i}") if inline else f"json{i}(v{i})"
            members.append(f'{_literal(begin)}{{"null" if v{i} is None else {some}}}')
        self.source = ",".join(members)
        self.complete = self._generate(relation)
        self._documents = [
            (i, column.name)
            for i, column in enumerate(relation.columns)
            if column.form.form is Form.JSON
        ]

    def _generate(self, relation: Relation) -> Callable[[Texts], str]:
        """Make the function for complete rows.

        For the columns ``id int8, name text`` the source is::

            def members(row):
                v0, v1, = row
                return f'"id":{"null" if v0 is None else v0},"name":{...}'
        """
        if not self.columns:
            return lambda row: ""
        names = dict(self.names)
        texts = "".join(f"v{i}, " for i in range(len(self.columns)))
        source = f"def members(row):\n    {texts} = row\n    return f'{self.source}'"
        exec(compile(source, f"<rows of {relation!r}>", "exec"), names)  # noqa: S102
        generated: Callable[[Texts], str] = names["members"]
        return generated

    def any(self, row: Texts) -> str:
        """Return the members of any row, without its absent columns."""
        return self.complete(row) if type(row) is tuple else self.partial(row)

    def partial(self, row: Texts, absent: Sequence[str] = ()) -> str:
        """Return the members of any row.

        Args:
            row: the texts.
            absent: for each column the JSON that stands for an absent value; absent columns are
                left out if it is empty.
        """
        members = []
        for i, ((begin, function), text) in enumerate(zip(self.columns, row, strict=True)):
            if text is None:
                members.append(f"{begin}null")
            elif text is not ABSENT:
                members.append(begin + function(text))
            elif absent:
                members.append(begin + absent[i])
        return ",".join(members)

    @property
    def has_documents(self) -> bool:
        """Whether there are columns of the types ``json`` or ``jsonb``."""
        return bool(self._documents)

    def json_nulls(self, row: Texts | None) -> list[str]:
        """Name the columns that hold the JSON document ``null``, which looks like SQL's NULL.

        A ``json`` keeps the spaces around it.
        """
        if row is None:
            return []
        return [name for i, name in self._documents if (row[i] or "").strip() == "null"]


def names_json(names: Iterable[str]) -> str:
    """Return a list of names as JSON."""
    return json.dumps(list(names), ensure_ascii=False) if names else "[]"


def _value_json(form: ColumnForm, values: Mapping[Form, ValueJson]) -> ValueJson:
    if form.form in values:
        return values[form.form]
    if form.element is not None and form.element in values:
        return array_to_json(values[form.element], form.delimiter)
    return to_json(form)


def _literal(text: str) -> str:
    """Quote ``text`` for the inside of a single-quoted f-string."""
    for char, escaped in (("\\", "\\\\"), ("'", "\\'"), ("{", "{{"), ("}", "}}")):
        text = text.replace(char, escaped)
    return text
