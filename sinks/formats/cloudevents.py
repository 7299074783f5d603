"""The format ``cloudevents``: CloudEvents 1.0 in structured JSON."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from json.encoder import encode_basestring
from typing import Final
from urllib.parse import quote

from bridge.core.event_id import ID_ENDS
from bridge.core.events import CdcEvent, Operation, Transaction, TruncateEvent
from bridge.core.lsn import format_lsn
from bridge.core.relation import Relation
from sinks.formats.row_json import Encoder, Encoders, RowJson, names_json
from sinks.formats.row_key import row_key

_START: Final = '{"specversion":"1.0","id":"'
TYPE_PREFIX: Final = "pgbridge."
"""Stands before the operation in the ``type`` of an event."""

MESSAGE_SUBJECT: Final = "pg_logical.message"
"""The ``subject`` of a logical message, which has no table."""


@lru_cache(maxsize=16)
def _second(server_name: str, database: str, seconds: int) -> str:
    """Return what the events of a database have in common in a second, open for its fraction.

    Args:
        server_name: first part of ``source``.
        database: second part.
        seconds: since 1970.
    """
    source = f"/{quote(server_name, safe='')}/{quote(database, safe='')}"
    time = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)).isoformat()[:19]
    return f'","source":"{source}","datacontenttype":"application/json","time":"{time}'


class CloudEventsFormat:
    """An event as the ``data`` of a CloudEvent.

    Args:
        server_name: what ``source`` begins with: ``/server_name/database``.
    """

    content_type = "application/cloudevents+json"
    line_starts = (_START,)
    key = staticmethod(row_key)
    text_key = staticmethod(str)

    def __init__(self, server_name: str) -> None:
        self.name = f"cloudevents:{server_name}"
        encoders = Encoders(self.name, self._make_encoder)
        self.encoder, self.encode = encoders.encoder, encoders.encode
        self._server_name = server_name
        # The transaction of the last event, and what all its events have in common. Read and
        # replaced as a whole: several threads may encode at once.
        self._current: tuple[Transaction | None, str, str] = (None, "", "")

    def _common(self, transaction: Transaction) -> tuple[Transaction | None, str, str]:
        """Return what all events of a transaction have in common, and remember it.

        There are two pieces: what stands before the ordinal of the event's id, and what follows up
        to the ordinal of its position.
        """
        seconds, fraction = divmod(transaction.timestamp, 1_000_000)
        second = _second(self._server_name, transaction.source.database, seconds)
        xid = "" if transaction.xid is None else f'"transactionid":"{transaction.xid}",'
        current = self._current = (
            transaction,
            f"{_START}{transaction.id_prefix}",
            f'{second}.{fraction:06}Z",{xid}"position":"{format_lsn(transaction.commit_lsn)}:',
        )
        return current

    def _make_encoder(self, relation: Relation) -> Encoder:
        rows = RowJson(relation)
        heads = _heads(relation)
        has_key = bool(relation.key) or relation.schema is None
        key_column = relation.key[0] if len(relation.key) == 1 else None

        def encode(event: CdcEvent) -> str:
            current = self._current
            if current[0] is not event.transaction:
                current = self._common(event.transaction)
            _, begin, common = current
            new, old, ordinal = event.new, event.old, event.ordinal
            if key_column is not None and type(new) is tuple:
                key = new[key_column]
            else:
                key = row_key(event) if has_key else None
            partition = f'"partitionkey":{encode_basestring(key)},' if key else ""
            before = "null" if old is None else f"{{{rows.any(old)}}}"
            after = "null" if new is None else f"{{{rows.any(new)}}}"
            special = "" if type(new) is tuple and not rows.has_documents else _special(event, rows)
            return (
                f'{begin}{ID_ENDS[ordinal]}{common}{ordinal}","lsn":"{event.lsn}",'
                f"{partition}{heads[event.operation]}"
                f'"data":{{"before":{before},"after":{after}{special}}}}}'
            )

        return encode


def _heads(relation: Relation) -> dict[Operation, str]:
    """Return, for each operation, the attributes that say what happened to which table."""
    if relation.schema is None:
        table = f'"subject":"{MESSAGE_SUBJECT}",'
    else:
        table = (
            f'"subject":{encode_basestring(relation.qualified_name)},'
            f'"dbschema":{encode_basestring(relation.schema)},'
            f'"dbtable":{encode_basestring(relation.table or "")},'
        )
    return {
        operation: f'"type":"{TYPE_PREFIX}{operation.lower()}","operation":"{operation}",{table}'
        for operation in Operation
    }


def _special(event: CdcEvent, rows: RowJson) -> str:
    """Return the members of ``data`` that few events have, each with a comma before it."""
    members = ""
    if event.unchanged:
        members += f',"unchanged":{names_json(event.unchanged)}'
    nulls = [f"after.{name}" for name in rows.json_nulls(event.new)]
    nulls += [f"before.{name}" for name in rows.json_nulls(event.old)]
    if nulls:
        members += f',"json_nulls":{names_json(nulls)}'
    if isinstance(event, TruncateEvent):
        members += f',"truncate_options":{names_json(event.options)}'
    return members
