"""Events as JSON and back, without loss: for what has to outlive the process or leave memory.

The native format (``sinks.formats.native``) is for consumers: it interprets values, so an event
cannot be rebuilt from it. Here stands what the server sent. ``to_portable`` gives one event
complete with its relation; ``pack_batch`` writes relations and transactions of a batch once.

A row is a list of the server's texts, with null for NULL. A row in which columns are absent is
``{"partial": [...]}``, with 0 in their places.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from bridge.core.events import (
    ABSENT,
    CdcEvent,
    Commit,
    EventBatch,
    Operation,
    PartialRow,
    Source,
    Texts,
    Transaction,
    TruncateEvent,
)
from bridge.core.lsn import format_lsn, parse_lsn
from bridge.core.relation import Column, Relation, ReplicaIdentity
from bridge.core.result_event import ResultEvent
from bridge.core.values import ColumnForm, Form

_VERSION = 1


class NotPortable(ValueError):
    """The document is not one that this module wrote."""


def to_portable(event: CdcEvent) -> dict[str, Any]:
    """Return the event as a JSON document that stands for itself."""
    transaction = event.transaction
    source = transaction.source
    document = {
        "version": _VERSION,
        "source": [source.system_identifier, source.database],
        "transaction": _transaction_out(transaction),
        "relation": _relation_out(event.relation),
        "operation": event.operation.value,
        "ordinal": event.ordinal,
        "lsn": format_lsn(event.lsn),
        "new": _row_out(event.new),
        "old": _row_out(event.old),
    }
    if isinstance(event, TruncateEvent):
        document["truncate_options"] = list(event.options)
    return document


def from_portable(document: dict[str, Any]) -> CdcEvent:
    """Return the event that ``to_portable`` was given.

    Raises:
        NotPortable: the document has another form.
    """
    try:
        _check_version(document)
        transaction = _transaction_in(document["transaction"], Source(*document["source"]))
        return _event_in(
            transaction,
            _relation_in(document["relation"]),
            document["operation"],
            document["ordinal"],
            parse_lsn(document["lsn"]),
            document["new"],
            document["old"],
            document.get("truncate_options", ()),
        )
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise NotPortable(f"not a portable event ({type(error).__name__})") from error


def pack_batch(batch: EventBatch) -> bytes:
    """Return the batch as one JSON document in UTF-8, each relation and transaction once."""
    transactions: dict[int, int] = {}
    relations: dict[int, int] = {}
    sources: dict[Source, int] = {}
    transactions_out: list[Any] = []
    relations_out: list[str] = []
    events: list[Any] = []
    for event in batch.events:
        transaction, relation = event.transaction, event.relation
        at = transactions.get(id(transaction))
        if at is None:
            at = transactions[id(transaction)] = len(transactions)
            origin = sources.setdefault(transaction.source, len(sources))
            transactions_out.append([origin, *_transaction_out(transaction)])
        of = relations.get(id(relation))
        if of is None:
            of = relations[id(relation)] = len(relations)
            relations_out.append(_dumps(_relation_out(relation)))
        packed = [at, of, event.operation.value, event.ordinal, event.lsn,
                  _row_out(event.new), _row_out(event.old)]  # fmt: skip
        if type(event) is TruncateEvent:
            packed.append(event.options)
        events.append(packed)
    document = {
        "version": _VERSION,
        "sources": [[source.system_identifier, source.database] for source in sources],
        "transactions": transactions_out,
        "relations": relations_out,
        "events": events,
        "commits": [(c.commit_lsn, c.last_ordinal, c.end_lsn) for c in batch.commits],
        "size_bytes": batch.size_bytes,
    }
    return _dumps(document).encode("utf-8", "surrogatepass")


def unpack_batch(data: bytes) -> EventBatch:
    """Return the batch that ``pack_batch`` was given.

    Raises:
        NotPortable: the bytes are something else.
    """
    try:
        document = json.loads(data.decode("utf-8", "surrogatepass"))
        _check_version(document)
        sources = [Source(*source) for source in document["sources"]]
        transactions = [
            _transaction_in(described, sources[origin])
            for origin, *described in document["transactions"]
        ]
        relations = [_known_relation(text) for text in document["relations"]]
        events = [
            _event_in(transactions[at], relations[of], operation, ordinal, lsn, new, old, *options)
            for at, of, operation, ordinal, lsn, new, old, *options in document["events"]
        ]
        commits = tuple(Commit(*commit) for commit in document["commits"])
        return EventBatch(events, commits, document["size_bytes"])
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise NotPortable(f"not a portable batch ({type(error).__name__})") from error


def _dumps(document: object) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def _check_version(document: dict[str, Any]) -> None:
    if document["version"] != _VERSION:
        raise ValueError("another version")


def _transaction_out(transaction: Transaction) -> list[Any]:
    return [transaction.xid, format_lsn(transaction.commit_lsn), transaction.timestamp]


def _transaction_in(described: Sequence[Any], source: Source) -> Transaction:
    xid, commit_lsn, timestamp = described
    return Transaction(source, xid, parse_lsn(commit_lsn), timestamp)


def _row_out(row: Texts | None) -> Texts | dict[str, list[str | int | None]] | None:
    if type(row) is PartialRow:
        return {"partial": [0 if text is ABSENT else text for text in row]}
    return row


def _row_in(described: Any) -> Texts | None:
    if type(described) is list:
        return tuple(described)
    if described is None:
        return None
    return PartialRow(ABSENT if text == 0 else text for text in described["partial"])


def _event_in(
    transaction: Transaction,
    relation: Relation,
    operation: str,
    ordinal: int,
    lsn: int,
    new: Any,
    old: Any,
    options: Sequence[str] = (),
) -> CdcEvent:
    if operation == Operation.TRUNCATE:
        return TruncateEvent.of(transaction, ordinal, lsn, relation, tuple(options))
    if operation == Operation.RESULT:
        return _result_in(transaction, relation, *new)
    return CdcEvent(
        transaction, ordinal, lsn, Operation(operation), relation, _row_in(new), _row_in(old)
    )


def _result_in(
    transaction: Transaction, relation: Relation, result_id: str, row_id: str | None, document: str
) -> ResultEvent:
    if relation.schema is None or relation.table is None:
        raise ValueError("a result has a type and a processor")
    return ResultEvent.of(
        transaction.source,
        transaction.commit_lsn,
        id=result_id,
        type=relation.schema,
        processor=relation.table,
        timestamp=transaction.timestamp,
        row_id=row_id,
        members=document[1:-1],
    )


def _relation_out(relation: Relation) -> dict[str, Any]:
    return {
        "oid": relation.oid,
        "schema": relation.schema,
        "table": relation.table,
        "replica_identity": relation.replica_identity.value,
        "primary_key": [relation.columns[i].name for i in relation.key],
        "columns": [_column_out(column) for column in relation.columns],
    }


def _column_out(column: Column) -> list[Any]:
    form = column.form
    element = None if form.element is None else form.element.name
    return [
        column.name,
        column.type_oid,
        column.type_modifier,
        column.in_identity,
        [form.form.name, element, form.delimiter],
    ]


@lru_cache(maxsize=1024)
def _known_relation(described: str) -> Relation:
    """Return the same relation for the same description: encoders are generated for each."""
    return _relation_in(json.loads(described))


def _relation_in(described: dict[str, Any]) -> Relation:
    return Relation(
        oid=described["oid"],
        schema=described["schema"],
        table=described["table"],
        replica_identity=ReplicaIdentity(described["replica_identity"]),
        columns=tuple(_column_in(*column) for column in described["columns"]),
        primary_key=tuple(described["primary_key"]),
    )


def _column_in(
    name: str, type_oid: int, type_modifier: int, in_identity: bool, form: Sequence[Any]
) -> Column:
    kind, element, delimiter = form
    return Column(
        name=name,
        type_oid=type_oid,
        type_modifier=type_modifier,
        in_identity=in_identity,
        form=ColumnForm(Form[kind], None if element is None else Form[element], delimiter),
    )
