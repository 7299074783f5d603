"""Events as Avro records: the native form, and the envelope of Debezium."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from typing import Any, NamedTuple

from bridge.core.events import CdcEvent, Operation, TruncateEvent
from bridge.core.relation import Relation
from sinks.formats.debezium import OPERATIONS
from sinks.schema_registry.avro_columns import OutOfRange
from sinks.schema_registry.avro_rows import AvroRow, Record

_VERSION = version("pgbridge")
_NAMES = {"type": "array", "items": "string"}
_MICROS = {"type": "long", "logicalType": "timestamp-micros"}


def _optional(name: str, schema: Any) -> dict[str, Any]:
    return {"name": name, "type": ["null", schema], "default": None}


class AvroEvents(NamedTuple):
    """The events of one relation in Avro.

    Attributes:
        schema: of the record.
        record: from an event to what the schema describes; may raise Unencodable.
    """

    schema: dict[str, Any]
    record: Callable[[CdcEvent], Record]


def native_events(
    relation: Relation, namespace: str, server_name: str, out_of_range: OutOfRange
) -> AvroEvents:
    """Return the events of a relation with the members of the format ``native``.

    ``unchanged`` and ``old_columns`` name fields. The latter are those of the old row where it is
    not the whole row; a column that was not logged could not be told from a NULL without it.
    """
    row = AvroRow(relation, "Row", out_of_range)
    schema = {
        "type": "record",
        "name": "Event",
        "namespace": namespace,
        "fields": [
            {"name": "event_id", "type": {"type": "string", "logicalType": "uuid"}},
            {"name": "timestamp", "type": _MICROS},
            {"name": "operation", "type": "string"},
            _optional("schema", "string"),
            _optional("table", "string"),
            _optional("row_id", "string"),
            _optional("new_values", row.schema),
            _optional("old_values", "Row"),
            {"name": "unchanged", "type": _NAMES, "default": []},
            _optional("old_columns", _NAMES),
            _optional("transaction_id", "string"),
            {"name": "lsn", "type": "long"},
            {"name": "commit_lsn", "type": "long"},
            {"name": "ordinal", "type": "long"},
            {"name": "truncate_options", "type": _NAMES, "default": []},
        ],
    }

    def record(event: CdcEvent) -> Record:
        return {
            "event_id": event.event_id,
            "timestamp": event.timestamp,
            "operation": event.operation.value,
            "schema": relation.schema,
            "table": relation.table,
            "row_id": event.row_id,
            "new_values": row.record(event.new),
            "old_values": row.record(event.old),
            "unchanged": row.absent(event.new),
            "old_columns": row.present(event.old),
            "transaction_id": event.transaction_id,
            "lsn": event.lsn,
            "commit_lsn": event.commit_lsn,
            "ordinal": event.ordinal,
            "truncate_options": list(event.options) if isinstance(event, TruncateEvent) else [],
        }

    return AvroEvents(schema, record)


_UNITS = ("ms", "us", "ns")
_TRANSACTION = {
    "type": "record",
    "name": "Transaction",
    "fields": [
        {"name": "id", "type": "string"},
        {"name": "total_order", "type": "long"},
        {"name": "data_collection_order", "type": "long"},
    ],
}
_MESSAGE = {
    "type": "record",
    "name": "Message",
    "fields": [{"name": "prefix", "type": "string"}, {"name": "content", "type": "bytes"}],
}
_SOURCE_SCHEMA = {
    "type": "record",
    "name": "Source",
    "fields": [
        {"name": "event_id", "type": {"type": "string", "logicalType": "uuid"}},
        {"name": "version", "type": "string"},
        {"name": "connector", "type": "string"},
        {"name": "name", "type": "string"},
        {"name": "ts_ms", "type": "long"},
        {"name": "ts_us", "type": "long"},
        {"name": "ts_ns", "type": "long"},
        {"name": "snapshot", "type": "string", "default": "false"},
        {"name": "db", "type": "string"},
        _optional("sequence", "string"),
        {"name": "schema", "type": "string"},
        {"name": "table", "type": "string"},
        _optional("txId", "long"),
        _optional("lsn", "long"),
        _optional("xmin", "long"),
    ],
}


def debezium_events(
    relation: Relation, namespace: str, server_name: str, out_of_range: OutOfRange
) -> AvroEvents:
    """Return the events of a relation in the envelope of Debezium.

    ``unchanged`` stands behind Debezium's own fields: not every type has room for the placeholder
    of a column that was not sent, and null would be another value.
    """
    row = AvroRow(relation, "Value", out_of_range)
    changes: list[dict[str, Any]] = [
        _optional("before", row.schema),
        _optional("after", "Value"),
    ]
    schema = {
        "type": "record",
        "name": "Envelope",
        "namespace": namespace,
        "fields": [
            *(changes if relation.schema is not None else [{"name": "message", "type": _MESSAGE}]),
            {"name": "source", "type": _SOURCE_SCHEMA},
            {"name": "op", "type": "string"},
            *(_optional(f"ts_{unit}", "long") for unit in _UNITS),
            _optional("transaction", _TRANSACTION),
            {"name": "unchanged", "type": _NAMES, "default": []},
        ],
    }

    def record(event: CdcEvent) -> Record:
        times = _times(event)
        found: Record = {
            "source": _source(event, server_name, times),
            "op": OPERATIONS[event.operation],
            **times,
            "transaction": None,
            "unchanged": row.absent(event.new),
        }
        if relation.schema is None:
            found["message"] = _message(event)
        else:
            found["before"] = row.record(event.old)
            found["after"] = row.record(event.new, placeholders=True)
        return found

    return AvroEvents(schema, record)


def _times(event: CdcEvent) -> Record:
    micros = event.timestamp
    return {"ts_ms": micros // 1000, "ts_us": micros, "ts_ns": micros * 1000}


def _source(event: CdcEvent, server_name: str, times: Record) -> Record:
    xid = event.transaction.xid
    return {
        "event_id": event.event_id,
        "version": _VERSION,
        "connector": "postgresql",
        "name": server_name,
        **times,
        "snapshot": "true" if event.operation is Operation.READ else "false",
        "db": event.transaction.source.database,
        "sequence": f'["{event.commit_lsn}","{event.lsn}"]',
        "schema": event.schema or "",
        "table": event.table or "",
        "txId": xid,
        "lsn": event.lsn,
        "xmin": None,
    }


def _message(event: CdcEvent) -> Record:
    assert event.new is not None, "a message has content"
    prefix, content, encoding, _ = event.new
    assert content is not None
    raw = bytes.fromhex(content[2:]) if encoding == "hex" else content.encode()
    return {"prefix": prefix, "content": raw}
