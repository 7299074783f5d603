"""The format ``flat``: the columns of the row beside members that begin with two underscores."""

from __future__ import annotations

from json.encoder import encode_basestring
from typing import Final

from bridge.core.event_id import ID_ENDS
from bridge.core.events import CdcEvent, Operation, PartialRow, Transaction, TruncateEvent
from bridge.core.lsn import format_lsn
from bridge.core.relation import Relation
from sinks.formats.debezium import OPERATIONS
from sinks.formats.row_json import Encoder, Encoders, RowJson, names_json
from sinks.formats.row_key import key_texts, row_key

MEMBERS: Final = (
    "__event_id", "__position", "__source_ts_ms", "__source_ts_us", "__txId", "__lsn", "__op",
    "__schema", "__table", "__deleted", "__old_row_id", "__unchanged", "__json_nulls",
    "__truncate_options",
)  # fmt: skip
"""What an event has besides the row."""

_START: Final = '{"__event_id":"'
_ENDS: Final = frozenset(name.lstrip("_") for name in MEMBERS)


def _member_name(column: str) -> str:
    """Rename a column that would hide a member: ``__op`` becomes ``____op``."""
    hides = column.startswith("__") and column.lstrip("_") in _ENDS
    return f"__{column}" if hides else column


class FlatFormat:
    """The row, and what happened to it; it has no options."""

    name = "flat"
    content_type = "application/json"
    line_starts = (_START,)
    key = staticmethod(row_key)
    text_key = staticmethod(str)

    def __init__(self) -> None:
        encoders = Encoders(self.name, self._make_encoder)
        self.encoder, self.encode = encoders.encoder, encoders.encode
        # The transaction of the last event, and what all its events have in common. Read and
        # replaced as a whole: several threads may encode at once.
        self._current: tuple[Transaction | None, str, str, str] = (None, "", "", "")

    def _common(self, transaction: Transaction) -> tuple[Transaction | None, str, str, str]:
        """Return what all events of a transaction have in common, and remember it.

        There are three pieces: what stands before the ordinal of the event's id, what follows up to
        the ordinal of its position, and what follows up to the LSN of the change.
        """
        us, xid = transaction.timestamp, transaction.xid
        current = self._current = (
            transaction,
            f"{_START}{transaction.id_prefix}",
            f'","__position":"{format_lsn(transaction.commit_lsn)}:',
            f'","__source_ts_ms":{us // 1000},"__source_ts_us":{us},'
            f'"__txId":{"null" if xid is None else xid},"__lsn":',
        )
        return current

    def _make_encoder(self, relation: Relation) -> Encoder:
        rows = RowJson(relation, rename=_member_name)
        heads = _heads(relation)
        has_documents = rows.has_documents

        def encode(event: CdcEvent) -> str:
            current = self._current
            if current[0] is not event.transaction:
                current = self._common(event.transaction)
            _, begin, position, times = current
            new, old, ordinal = event.new, event.old, event.ordinal
            row = old if new is None else new
            members = "" if row is None else rows.any(row)
            special = (
                _special(event, rows)
                if old is not None or has_documents or type(row) is not tuple
                else ""
            )
            return (
                f"{begin}{ID_ENDS[ordinal]}{position}{ordinal}{times}{event.lsn}"
                f"{heads[event.operation]}{special}{',' if members else ''}{members}}}"
            )

        return encode


def _heads(relation: Relation) -> dict[Operation, str]:
    """Return, for each operation, the members that say what happened to which table."""
    schema, table = (
        "null" if name is None else encode_basestring(name)
        for name in (relation.schema, relation.table)
    )
    return {
        operation: f',"__op":"{letter}","__schema":{schema},"__table":{table},'
        f'"__deleted":"{"true" if operation is Operation.DELETE else "false"}"'
        for operation, letter in OPERATIONS.items()
    }


def _special(event: CdcEvent, rows: RowJson) -> str:
    """Return the members that few events have, each with a comma before it."""
    members = ""
    new, old = event.new, event.old
    key = event.relation.key
    if new is not None and old is not None and key:
        before = tuple(old[i] for i in key)
        if before != key_texts(event, key):
            row_id = event.relation.row_id(old)
            members += f',"__old_row_id":{encode_basestring(row_id or "")}'
    if type(new) is PartialRow:
        members += f',"__unchanged":{names_json(event.unchanged)}'
    nulls = rows.json_nulls(old if new is None else new)
    if nulls:
        members += f',"__json_nulls":{names_json(nulls)}'
    if isinstance(event, TruncateEvent):
        members += f',"__truncate_options":{names_json(event.options)}'
    return members
