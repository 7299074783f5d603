"""What a message says of its event outside its body: the headers of Kafka and RabbitMQ."""

from __future__ import annotations

import zlib
from typing import TypeAlias

from bridge.core.event_id import ID_ENDS
from bridge.core.events import CdcEvent, Operation, Transaction
from bridge.core.lsn import format_lsn
from bridge.core.relation import Relation
from bridge.core.result_event import ResultEvent

Header: TypeAlias = tuple[str, str | bytes | None]
"""Name and value; the values here are texts. The type is what Kafka's client takes in a list."""

_MAX_CACHED = 10_000


class MessageHeaders:
    """Makes the headers of events; quick for events that share transaction and table.

    ``event_id``, ``position`` (``16/B374D848:3``), ``traceparent``, ``transaction_id`` and
    ``schema_version``, and where brokers route by headers ``operation``, ``schema`` and ``table``.
    A header that does not apply is left out: a logical message has no table.

    A result has its own ``event_id``, and ``delivery_id`` in place of ``position``.

    ``traceparent`` is that of W3C Trace Context, level 1: the trace is the transaction, the parent
    is the event. Both are made from the position, so they are the same after a redelivery.
    ``schema_version`` changes if and only if names, types or order of the columns change.

    Args:
        for_routing: whether to say operation and table too. Elsewhere they would only repeat the
            body, and each header costs as much as a quarter of a message.
    """

    def __init__(self, *, for_routing: bool) -> None:
        self._for_routing = for_routing
        self._transaction: Transaction | None = None
        self._id = self._position = self._trace = ""
        self._of_transaction: tuple[Header, ...] = ()
        self._of_table: dict[tuple[Relation, Operation], tuple[Header, ...]] = {}

    def __call__(self, event: CdcEvent) -> list[Header]:
        if event.transaction is not self._transaction:
            self._begin(event.transaction)
        table = self._of_table.get((event.relation, event.operation))
        if table is None:
            table = self._remember(event.relation, event.operation)
        ordinal = event.ordinal
        number = ID_ENDS[ordinal]
        if type(event) is ResultEvent:
            return [
                ("event_id", event.event_id),
                ("delivery_id", self._id + number),
                ("traceparent", f"{self._trace}{number}-00"),
                *table,
            ]
        return [
            ("event_id", self._id + number),
            ("position", f"{self._position}{ordinal}"),
            ("traceparent", f"{self._trace}{number}-00"),
            *self._of_transaction,
            *table,
        ]

    def _begin(self, transaction: Transaction) -> None:
        self._transaction = transaction
        self._id = prefix = transaction.id_prefix
        self._position = f"{format_lsn(transaction.commit_lsn)}:"
        # 24 digits of the transaction's own; the span must not be all zeros either.
        self._trace = f"00-{prefix.replace('-', '')}00000000-00000001"
        xid = transaction.xid
        self._of_transaction = () if xid is None else (("transaction_id", str(xid)),)

    def _remember(self, relation: Relation, operation: Operation) -> tuple[Header, ...]:
        if len(self._of_table) >= _MAX_CACHED:  # tables come and go
            self._of_table.clear()
        headers: tuple[Header, ...] = ()
        if relation.schema is not None and relation.table is not None:
            if operation is not Operation.RESULT:
                headers += (("schema_version", schema_version(relation)),)
            if self._for_routing:
                headers += (("schema", relation.schema), ("table", relation.table))
        if self._for_routing:
            headers += (("operation", operation.value),)
        self._of_table[relation, operation] = headers
        return headers


def schema_version(relation: Relation) -> str:
    """Return a checksum of the columns: names, types and order, as eight hexadecimal digits."""
    columns = [(c.name, c.type_oid, c.type_modifier) for c in relation.columns]
    return f"{zlib.crc32(repr(columns).encode()):08x}"
