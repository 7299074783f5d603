"""Events as Avro records: the native form, and the envelope of Debezium."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from typing import Any, NamedTuple, TypeAlias

from bridge.core.events import CdcEvent, Operation, PartialRow, Transaction, TruncateEvent
from bridge.core.relation import Relation
from sinks.formats.debezium import OPERATIONS
from sinks.schema_registry.avro_binary import (
    EMPTY_ARRAY,
    NULL,
    SOME,
    encode_bytes,
    encode_long,
    encode_optional_text,
    encode_some_text,
    encode_text,
    encode_texts,
)
from sinks.schema_registry.avro_columns import OutOfRange
from sinks.schema_registry.avro_rows import AvroRow

Members: TypeAlias = tuple[bytes, ...]
"""Encoded members that all events of a transaction share."""

_VERSION = version("pgbridge")
_NAMES = {"type": "array", "items": "string"}
_MICROS = {"type": "long", "logicalType": "timestamp-micros"}


def _optional(name: str, schema: Any) -> dict[str, Any]:
    return {"name": name, "type": ["null", schema], "default": None}


class AvroEvents(NamedTuple):
    """The events of one relation in Avro.

    Attributes:
        schema: of the record.
        encode: from an event to the record; may raise Unencodable.
    """

    schema: dict[str, Any]
    encode: Callable[[CdcEvent], bytes]


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

    place = encode_optional_text(relation.schema) + encode_optional_text(relation.table)
    operations = {operation: encode_text(operation.value) + place for operation in Operation}

    of_transaction = _once_each(_native_members)

    def encode(event: CdcEvent) -> bytes:
        identity, time, xid, commit_lsn = of_transaction(event.transaction)
        new, old = event.new, event.old
        kept = row.present(old)
        return b"".join(
            (
                identity,
                b"%08x" % (event.ordinal & 0xFFFFFFFF),
                time,
                operations[event.operation],
                encode_optional_text(event.row_id),
                row.encode(new),
                row.encode(old),
                encode_texts(row.absent(new)) if type(new) is PartialRow else EMPTY_ARRAY,
                NULL if kept is None else SOME + encode_texts(kept),
                xid,
                encode_long(event.lsn),
                commit_lsn,
                encode_long(event.ordinal),
                encode_texts(event.options) if isinstance(event, TruncateEvent) else EMPTY_ARRAY,
            )
        )

    return AvroEvents(schema, encode)


def _native_members(transaction: Transaction) -> Members:
    """Return the begin of the id, the time, the xid and the commit LSN."""
    xid = transaction.xid
    return (
        _identity(transaction),
        encode_long(transaction.timestamp),
        encode_optional_text(None if xid is None else str(xid)),
        encode_long(transaction.commit_lsn),
    )


def _identity(transaction: Transaction) -> bytes:
    """Return the text of an ``event_id`` up to the ordinal, which takes eight characters more."""
    begin = transaction.id_prefix.encode()
    return encode_long(len(begin) + 8) + begin


def _once_each(make: Callable[[Transaction], Members]) -> Callable[[Transaction], Members]:
    """Return a function that gives what ``make`` does, and makes it once for each transaction."""
    last: Transaction | None = None
    members: Members = ()

    def of_transaction(transaction: Transaction) -> Members:
        nonlocal last, members
        if transaction is not last:
            last, members = transaction, make(transaction)
        return members

    return of_transaction


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

    begin = encode_text(_VERSION) + encode_text("postgresql") + encode_text(server_name)
    place = encode_text(relation.schema or "") + encode_text(relation.table or "")
    operations = {operation: encode_text(letter) for operation, letter in OPERATIONS.items()}

    def members(transaction: Transaction) -> Members:
        """Return the begin of the id, what of the source follows it, the xid, and the times."""
        micros, xid = transaction.timestamp, transaction.xid
        times = [encode_long(time) for time in (micros // 1000, micros, micros * 1000)]
        return (
            _identity(transaction),
            begin + b"".join(times),
            encode_text(transaction.source.database),
            NULL if xid is None else SOME + encode_long(xid),
            b"".join(SOME + time for time in times),
        )

    of_transaction = _once_each(members)

    def encode(event: CdcEvent) -> bytes:
        identity, source, database, xid, times = of_transaction(event.transaction)
        new = event.new
        if relation.schema is None:
            change = _message(event)
        else:
            change = row.encode(event.old) + row.encode(new, placeholders=True)
        return b"".join(
            (
                change,
                identity,
                b"%08x" % (event.ordinal & 0xFFFFFFFF),
                source,
                _SNAPSHOT if event.operation is Operation.READ else _NO_SNAPSHOT,
                database,
                encode_some_text(f'["{event.commit_lsn}","{event.lsn}"]'),
                place,
                xid,
                SOME + encode_long(event.lsn),
                NULL,  # xmin
                operations[event.operation],
                times,
                NULL,  # transaction
                encode_texts(row.absent(new)) if type(new) is PartialRow else EMPTY_ARRAY,
            )
        )

    return AvroEvents(schema, encode)


_SNAPSHOT, _NO_SNAPSHOT = encode_text("true"), encode_text("false")


def _message(event: CdcEvent) -> bytes:
    assert event.new is not None, "a message has content"
    prefix, content, encoding, _ = event.new
    text = content or ""
    data = bytes.fromhex(text[2:]) if encoding == "hex" else text.encode()
    return encode_text(prefix or "") + encode_bytes(data)
