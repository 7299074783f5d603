"""JSON Schemas of events as the formats write them, and of keys.

A row is a closed object (``additionalProperties: false``), in which no column is required: so a
new column is a compatible change under the level BACKWARD. A column that goes is not: registries
hold that a reader of the new schema could not read it in old messages.
"""

from __future__ import annotations

from collections.abc import Callable
from json.encoder import encode_basestring
from typing import Any

from bridge.core.events import CdcEvent
from bridge.core.relation import Column, Relation
from bridge.core.values import Form, to_json
from sinks.formats.row_key import key_texts
from sinks.schema_registry.avro_rows import key_without_columns

Schema = dict[str, Any]

_NAMES: Schema = {"type": "array", "items": {"type": "string"}}

# The types of JSON that docs/values.md promises for each form; with null, the value may be NULL.
_TYPES: dict[Form, tuple[str, ...]] = {
    Form.INTEGER: ("integer",),
    Form.FLOAT: ("number", "string"),
    Form.DECIMAL: ("number", "string"),
    Form.BOOLEAN: ("boolean",),
    Form.ARRAY: ("array", "string"),
}


def native_schema(relation: Relation, title: str) -> Schema:
    """Return the schema of the format ``native`` for the events of a relation."""
    row = row_schema(relation)
    return _document(
        title,
        {
            "type": {"const": "cdc_event"},
            "event_id": {"type": "string"},
            "timestamp": {"type": "integer"},
            "operation": {"type": "string"},
            "schema": _nullable("string"),
            "table": _nullable("string"),
            "row_id": _nullable("string"),
            "new_values": {"oneOf": [{"type": "null"}, row]},
            "old_values": {"oneOf": [{"type": "null"}, row]},
            "unchanged": _NAMES,
            "transaction_id": _nullable("string"),
            "commit_lsn": {"type": "integer"},
            "ordinal": {"type": "integer"},
            "lsn": {"type": "integer"},
            "truncate_options": _NAMES,
            "json_nulls": _NAMES,
        },
    )


def debezium_schema(relation: Relation, title: str) -> Schema:
    """Return the schema of the format ``debezium`` for the events of a relation."""
    value = {"oneOf": [{"type": "null"}, row_schema(relation, debezium=True)]}
    source = {
        **_each("string", "event_id", "version", "connector", "name"),
        **_each("string", "snapshot", "db", "schema", "table"),
        **_each("integer", "ts_ms", "ts_us", "ts_ns", "lsn"),
        "sequence": _nullable("string"),
        "txId": _nullable("integer"),
        "xmin": _nullable("integer"),
    }
    message = _each("string", "prefix", "content")
    changes = (
        {"before": value, "after": value}
        if relation.schema is not None
        else {"message": {"type": "object", "properties": message}}
    )
    return _document(
        title,
        {
            **changes,
            "source": {"type": "object", "properties": source, "additionalProperties": False},
            "op": {"type": "string"},
            **_each("integer", "ts_ms", "ts_us", "ts_ns"),
            "transaction": _nullable("object"),
        },
    )


def key_schema(relation: Relation, title: str) -> Schema:
    """Return the schema of the object of a relation's key; of a text where it has no key."""
    if not relation.key:
        return {"$schema": _DIALECT, "title": title, "type": "string"}
    columns = [relation.columns[i] for i in relation.key]
    schema = _document(title, {column.name: _column_schema(column) for column in columns})
    return {**schema, "required": [column.name for column in columns]}


def json_key(relation: Relation) -> Callable[[CdcEvent], bytes | None]:
    """Return the function from an event to its key, which ``key_schema`` describes.

    It gives None for an event without a row, or without its key.
    """
    if not relation.key:
        return lambda event: encode_basestring(key_without_columns(event)).encode()
    columns = [relation.columns[i] for i in relation.key]
    members = [(f"{encode_basestring(c.name)}:", to_json(c.form)) for c in columns]

    def key(event: CdcEvent) -> bytes | None:
        texts = key_texts(event, relation.key)
        if texts is None or None in texts:
            return None
        found = [
            begin + value(text)
            for (begin, value), text in zip(members, texts, strict=True)
            if text is not None
        ]
        return f"{{{','.join(found)}}}".encode()

    return key


def row_schema(relation: Relation, *, debezium: bool = False) -> Schema:
    """Return the schema of a row.

    Args:
        relation: whose rows.
        debezium: whether documents are strings, and a placeholder stands for a column that was
            not sent, which is missing otherwise.
    """
    properties = {column.name: _column_schema(column, debezium) for column in relation.columns}
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _column_schema(column: Column, debezium: bool = False) -> Schema:
    form, element = column.form.form, column.form.element
    if form is Form.JSON and not debezium:
        return {}  # any document
    types = [*_TYPES.get(form, ("string",)), "null"]
    if element is None:
        return {"type": types}
    # An inner array is another dimension; the placeholder is an array of one string.
    items = {*_TYPES.get(element, ("string",)), "array", "null", *(["string"] if debezium else [])}
    return {"type": types, "items": {"type": sorted(items)}}


_DIALECT = "http://json-schema.org/draft-07/schema#"


def _document(title: str, properties: Schema) -> Schema:
    return {
        "$schema": _DIALECT,
        "title": title,
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
    }


def _nullable(name: str) -> Schema:
    return {"type": [name, "null"]}


def _each(type_name: str, *names: str) -> Schema:
    return {name: {"type": type_name} for name in names}
