"""The format ``native``: the JSON form of ``CdcEvent`` (``docs/events.md``).

Its encoder is generated once for each relation as one expression over the texts of the row, so
that a row costs one function call and no dictionary. What the generated function does not expect,
it leaves to ``_encode_any``.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from json.encoder import encode_basestring
from typing import Any

from bridge.core.events import ABSENT, CdcEvent, Texts, TruncateEvent
from bridge.core.relation import Column, Relation
from bridge.core.values import Form, timestamp_json, to_json
from sinks.formats.row_key import row_key

Encoder = Callable[[CdcEvent], str]


def encode_native(event: CdcEvent) -> str:
    """Return the event as one line of JSON."""
    relation = event.relation
    encoder = relation.encoders.get("native")
    if encoder is None:
        encoder = relation.encoders["native"] = _generate(relation)
    return encoder(event)


class NativeFormat:
    """The format ``native``; it has no options."""

    name = "native"
    content_type = "application/json"
    encode = staticmethod(encode_native)
    key = staticmethod(row_key)
    text_key = staticmethod(str)


NATIVE = NativeFormat()


def _generate(relation: Relation) -> Encoder:
    """Make the encode function of a relation.

    For a table ``public.t (id int8, name text)`` with the key ``id`` the source is::

        def encode(event):
            row = event.new
            if type(row) is not tuple or event.old is not None:
                return encode_any(event)
            v0, v1 = row
            return f'{{"type":"cdc_event",{event.transaction.json}{event.ordinal:08x}",...'
    """
    columns = relation.columns
    names: dict[str, Any] = {
        "encode_any": _encode_any,
        "text_json": encode_basestring,
        "timestamp_json": timestamp_json,
        "tuple": tuple,
        "type": type,
    }
    if not columns:
        return _encode_any
    for i, column in enumerate(columns):
        names[f"json{i}"] = to_json(column.form)
    documents = " or ".join(
        f'v{i} and v{i}.strip() == "null"'
        for i, c in enumerate(columns)
        if c.form.form is Form.JSON
    )
    members = ",".join(
        f"{_literal(encode_basestring(c.name))}:{{{_expression(c, i)}}}"
        for i, c in enumerate(columns)
    )
    # Only a message can have the ordinal -1.
    ordinal = "event.ordinal & 0xFFFFFFFF" if relation.schema is None else "event.ordinal"
    source = "\n".join(
        [
            "def encode(event):",
            "    row = event.new",
            "    if type(row) is not tuple or event.old is not None:",
            "        return encode_any(event)",
            f"    {''.join(f'v{i}, ' for i in range(len(columns)))} = row",
            f"    if {documents}:\n        return encode_any(event)" if documents else "",
            "    return (",
            """        f'{{"type":"cdc_event",{event.transaction.json}'""",
            f"""        f'{{{ordinal}:08x}}",'""",
            "        " + repr('"operation":"'),
            """        f'{event.operation._value_}'""",
            "        " + repr(_table_members(relation)),
            """        f'"ordinal":{event.ordinal},"lsn":{event.lsn},"row_id":'""",
            f"        f'{_row_id(relation)}'",
            f"        f',\"new_values\":{{{{{members}}}}},'",
            "        " + repr('"old_values":null,"unchanged":[]}'),
            "    )",
        ]
    )
    exec(compile(source, f"<encoder of {relation!r}>", "exec"), names)  # noqa: S102
    encoder: Encoder = names["encode"]
    return encoder


def _table_members(relation: Relation) -> str:
    schema, table = json.dumps(relation.schema), json.dumps(relation.table)
    return f'","schema":{schema},"table":{table},'


def _literal(text: str) -> str:
    """Quote ``text`` for the inside of a single-quoted f-string."""
    for char, escaped in (("\\", "\\\\"), ("'", "\\'"), ("{", "{{"), ("}", "}}")):
        text = text.replace(char, escaped)
    return text


def _expression(column: Column, i: int) -> str:
    match column.form.form:
        case Form.INTEGER:
            some = f"v{i}"
        case Form.TEXT | Form.BYTES:
            some = f"text_json(v{i})"
        case Form.BOOLEAN:
            some = f'"true" if v{i} == "t" else "false"'
        case Form.TIMESTAMP:
            some = f"timestamp_json(v{i})"
        case _:
            some = f"json{i}(v{i})"
    return f'"null" if v{i} is None else {some}'


def _row_id(relation: Relation) -> str:
    if len(relation.key) == 1:
        i = relation.key[0]
        return f'{{"null" if v{i} is None else text_json(v{i})}}'
    return "{text_json(event.row_id)}" if relation.key else "null"


def _encode_any(event: CdcEvent) -> str:
    """Encode any event; the reference for what the generated functions do."""
    relation = event.relation
    members = [
        f'"type":"cdc_event",{event.transaction.json}{event.ordinal & 0xFFFFFFFF:08x}"',
        f'"operation":"{event.operation}{_table_members(relation)}"ordinal":{event.ordinal}',
        f'"lsn":{event.lsn}',
        f'"row_id":{_string(event.row_id)}',
        f'"new_values":{_row_json(relation, event.new)}',
        f'"old_values":{_row_json(relation, event.old)}',
        f'"unchanged":{json.dumps(event.unchanged, ensure_ascii=False)}',
    ]
    if isinstance(event, TruncateEvent):
        members.append(f'"truncate_options":{json.dumps(event.options)}')
    nulls = _json_nulls(relation, "new_values", event.new)
    nulls += _json_nulls(relation, "old_values", event.old)
    if nulls:
        members.append(f'"json_nulls":{json.dumps(nulls, ensure_ascii=False)}')
    return "{" + ",".join(members) + "}"


def _string(text: str | None) -> str:
    return "null" if text is None else encode_basestring(text)


def _row_json(relation: Relation, row: Texts | None) -> str:
    if row is None:
        return "null"
    members = (
        f"{encode_basestring(c.name)}:{'null' if text is None else to_json(c.form)(text)}"
        for c, text in zip(relation.columns, row, strict=True)
        if text is not ABSENT
    )
    return "{" + ",".join(members) + "}"


def _json_nulls(relation: Relation, member: str, row: Texts | None) -> list[str]:
    """Name the columns that hold the JSON document ``null``, which looks like SQL's NULL.

    A ``json`` keeps the spaces around it.
    """
    return [
        f"{member}.{c.name}"
        for c, text in zip(relation.columns, row or (), strict=row is not None)
        if c.form.form is Form.JSON and text and text.strip() == "null"
    ]
