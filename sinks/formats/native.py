"""The format ``native``: the JSON form of ``CdcEvent`` (``docs/events.md``, ``docs/results.md``).

Its encoder is generated once for each relation as one expression over the texts of the row, so
that a row costs one function call and no dictionary. What the generated function does not expect,
it leaves to an encoder of any event.
"""

from __future__ import annotations

import json
from json.encoder import encode_basestring

from bridge.core.event_id import ID_ENDS
from bridge.core.events import CdcEvent, TruncateEvent
from bridge.core.relation import Relation
from bridge.core.result_event import RESULT_COLUMNS, RESULT_TYPES, ResultEvent
from bridge.core.values import Form
from sinks.formats.row_json import Encoder, Encoders, RowJson, names_json
from sinks.formats.row_key import row_key


def _generate(relation: Relation) -> Encoder:
    """Make the encode function of a relation.

    For a table ``public.t (id int8, name text)`` with the key ``id`` the source is::

        def encode(event):
            row, old = event.new, event.old
            if type(row) is not tuple:
                return encode_any(event)
            if old is None:
                before = "null"
            elif type(old) is tuple and not json_nulls(old):
                before = f"{{{members(old)}}}"
            else:
                return encode_any(event)
            v0, v1 = row
            return f'{{"type":"cdc_event",{event.transaction.json()}{digits[event.ordinal]}",...'
    """
    if relation.columns is RESULT_COLUMNS:
        return _encode_result
    rows = RowJson(relation)
    encode_any = _any_encoder(relation, rows)
    columns = relation.columns
    if not columns:
        return encode_any
    names = rows.names | {
        "digits": ID_ENDS,
        "encode_any": encode_any,
        "json_nulls": rows.json_nulls,
        "members": rows.complete,
        "tuple": tuple,
        "type": type,
    }
    documents = " or ".join(
        f'v{i} and v{i}.strip() == "null"'
        for i, c in enumerate(columns)
        if c.form.form is Form.JSON
    )
    source = "\n".join(
        [
            "def encode(event):",
            "    row, old = event.new, event.old",
            "    if type(row) is not tuple:",
            "        return encode_any(event)",
            "    if old is None:",
            "        before = 'null'",
            "    elif type(old) is tuple and not json_nulls(old):",
            """        before = f"{{{members(old)}}}" """,
            "    else:",
            "        return encode_any(event)",
            f"    {''.join(f'v{i}, ' for i in range(len(columns)))} = row",
            f"    if {documents}:\n        return encode_any(event)" if documents else "",
            "    return (",
            """        f'{{"type":"cdc_event",{event.transaction.json()}'""",
            """        f'{digits[event.ordinal]}",'""",
            "        " + repr('"operation":"'),
            """        f'{event.operation._value_}'""",
            "        " + repr(_table_members(relation)),
            """        f'"ordinal":{event.ordinal},"lsn":{event.lsn},"row_id":'""",
            f"        f'{_row_id(relation)}'",
            f"        f',\"new_values\":{{{{{rows.source}}}}},'",
            """        f'"old_values":{before},"unchanged":[]}}'""",
            "    )",
        ]
    )
    exec(compile(source, f"<encoder of {relation!r}>", "exec"), names)  # noqa: S102
    encoder: Encoder = names["encode"]
    return encoder


def _table_members(relation: Relation) -> str:
    schema, table = json.dumps(relation.schema), json.dumps(relation.table)
    return f'","schema":{schema},"table":{table},'


def _row_id(relation: Relation) -> str:
    if len(relation.key) == 1:
        i = relation.key[0]
        return f'{{"null" if v{i} is None else text_json(v{i})}}'
    return "{text_json(event.row_id)}" if relation.key else "null"


def _any_encoder(relation: Relation, rows: RowJson) -> Encoder:
    """Return the function that encodes every event of a relation."""
    table_members = _table_members(relation)

    def encode_any(event: CdcEvent) -> str:
        new, old, row_id = event.new, event.old, event.row_id
        members = [
            f'"type":"cdc_event",{event.transaction.json()}{ID_ENDS[event.ordinal]}"',
            f'"operation":"{event.operation}{table_members}"ordinal":{event.ordinal}',
            f'"lsn":{event.lsn}',
            f'"row_id":{"null" if row_id is None else encode_basestring(row_id)}',
            '"new_values":' + ("null" if new is None else f"{{{rows.any(new)}}}"),
            '"old_values":' + ("null" if old is None else f"{{{rows.any(old)}}}"),
            f'"unchanged":{names_json(event.unchanged)}',
        ]
        if isinstance(event, TruncateEvent):
            members.append(f'"truncate_options":{names_json(event.options)}')
        nulls = [f"new_values.{name}" for name in rows.json_nulls(new)]
        nulls += [f"old_values.{name}" for name in rows.json_nulls(old)]
        if nulls:
            members.append(f'"json_nulls":{names_json(nulls)}')
        return "{" + ",".join(members) + "}"

    return encode_any


def _encode_result(event: CdcEvent) -> str:
    assert isinstance(event, ResultEvent)
    return (
        f'{{"type":"{event.schema}","delivery_id":"{event.delivery_id}",'
        f'"event_id":"{event.event_id}",{event.document[1:]}'
    )


_encoders = Encoders("native", _generate)
encode_native = _encoders.encode


class NativeFormat:
    """The format ``native``; it has no options."""

    name = "native"
    content_type = "application/json"
    line_starts = tuple(f'{{"type":"{name}",' for name in ("cdc_event", *RESULT_TYPES))
    encoder = staticmethod(_encoders.encoder)
    encode = staticmethod(encode_native)
    key = staticmethod(row_key)
    text_key = staticmethod(str)


NATIVE = NativeFormat()
