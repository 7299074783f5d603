"""The decoder: XLogData frames of protocol version 1 to ``CdcEvent``.

It keeps what the protocol makes stateful: the relations announced on this connection and the
transaction that is open. Frames come in batches, and what leaves is one ``EventBatch`` for each.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from struct import Struct
from typing import Protocol, TypeAlias, TypeVar

from bridge.core.errors import DecodeError
from bridge.core.events import (
    NON_TRANSACTIONAL,
    CdcEvent,
    Commit,
    EventBatch,
    Operation,
    Position,
    Source,
    Transaction,
    TruncateEvent,
)
from bridge.core.lsn import Lsn, format_lsn
from bridge.core.relation import Relation, ReplicaIdentity, make_columns
from bridge.core.types import BUILTIN_TYPES, TypeInfo
from bridge.core.values import ValueStyle
from decoders import messages
from decoders.binary import binary_to_text
from decoders.logical_message import MESSAGE_RELATION, message_row
from decoders.parse import POSTGRES_EPOCH_US, parse_message
from decoders.rows import HEADER_BYTES, RowDecoder, RowDecoders
from decoders.tuples import Malformed

_BEGIN, _COMMIT, _INSERT, _UPDATE, _DELETE = b"BCIUD"
_head = Struct(f">xQ{HEADER_BYTES - 8}xI").unpack_from  # start LSN; what follows the tag
_send_time = Struct(">q").unpack_from
_begin = Struct(f">{HEADER_BYTES}xxQqI").unpack  # final LSN, commit time, xid; nothing after
_commit = Struct(f">{HEADER_BYTES}xxBQQ8x").unpack  # flags, commit LSN, end LSN
_NOTHING = -2  # below every ordinal
_EVERYTHING = 1 << 62  # above every ordinal

_Handlers: TypeAlias = dict[int, dict[int, RowDecoder]]
_Control: TypeAlias = Callable[[bytes, Lsn, list[CdcEvent], list[Commit]], None]
_Message = TypeVar("_Message")


class CatalogLookup(Protocol):
    """What the stream does not say and the catalog knows."""

    def types(self, oids: Collection[int]) -> Mapping[int, TypeInfo]:
        """Describe the types, and those they are made of; types that are gone are left out."""

    def primary_key(self, relation_oid: int) -> tuple[str, ...]:
        """Name the columns of the primary key; empty without one."""


class RelationWatch(Protocol):
    """Is told how tables look, before their rows."""

    def note(self, relation: Relation, position: Position, timestamp: int) -> None:
        """Take note of a table that is new to the decoder, or looks other than before.

        Args:
            relation: the table.
            position: of its next change.
            timestamp: of the commit of that, in microseconds since the Unix epoch.
        """


class NoCatalog:
    """A lookup that knows nothing: every user-defined type is its text."""

    def types(self, oids: Collection[int]) -> Mapping[int, TypeInfo]:
        return {}

    def primary_key(self, relation_oid: int) -> tuple[str, ...]:
        return ()


@dataclass(frozen=True, slots=True)
class _Known:
    """A relation with the message that announced it: an equal one brings nothing new."""

    message: messages.RelationMessage
    primary_key: tuple[str, ...]
    decoders: RowDecoders


class PgOutputDecoder:
    """Decodes one connection's stream.

    Args:
        source: the database, for the identity of the events.
        catalog: asked once for each relation that needs it.
        style: how numbers are written.
        resume: position of the last event that was seen before; it and those before it are
            skipped without being decoded.
        watch: told of every relation that is new, also among what is skipped. What it raises ends
            the decoding.
    """

    def __init__(
        self,
        source: Source,
        *,
        catalog: CatalogLookup | None = None,
        style: ValueStyle | None = None,
        resume: Position | None = None,
        watch: RelationWatch | None = None,
    ) -> None:
        self._source = source
        self._watch = watch
        self._catalog: CatalogLookup = catalog or NoCatalog()
        self._style = style or ValueStyle()
        self._types: dict[int, TypeInfo] = dict(BUILTIN_TYPES)
        self._known: dict[int, _Known] = {}
        self._handlers: _Handlers = {_INSERT: {}, _UPDATE: {}, _DELETE: {}}
        self._control: dict[int, _Control] = {
            ord("R"): self._on_relation,
            ord("Y"): self._on_type,
            ord("T"): self._on_truncate,
            ord("M"): self._on_message,
            ord("O"): self._on_origin,
        }
        self._resume = resume
        self._transaction: Transaction | None = None
        self._ordinal = 0
        self._skip_through = _NOTHING

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction has begun and its commit has not come yet."""
        return self._transaction is not None

    def start_stream(self, resume: Position | None) -> None:
        """Get ready for a new connection, which begins at a transaction and announces relations
        anew. What was learned of them is kept: equal announcements cost nothing.
        """
        self._transaction = None
        self._resume = resume
        self._skip_through = _NOTHING
        for handlers in self._handlers.values():
            handlers.clear()

    def feed(self, frames: Sequence[bytes]) -> EventBatch:
        """Decode frames in the order of the stream.

        Raises:
            DecodeError: a frame is not what the protocol allows. The decoder is of no more use.
        """
        events: list[CdcEvent] = []
        commits: list[Commit] = []
        rows, append, source = self._handlers, events.append, self._source
        transaction, ordinal = self._transaction, self._ordinal
        skip_through = self._skip_through
        frame = b""
        try:
            for frame in frames:
                tag = frame[HEADER_BYTES]
                if tag == _BEGIN:
                    if transaction is not None:
                        raise Malformed
                    commit_lsn, time, xid = _begin(frame)
                    transaction = Transaction(source, xid, commit_lsn, time + POSTGRES_EPOCH_US)
                    skip_through = _NOTHING if self._resume is None else self._seen(commit_lsn)
                    ordinal = 0
                elif tag == _COMMIT:
                    flags, commit_lsn, end_lsn = _commit(frame)
                    if transaction is None or flags or commit_lsn != transaction.commit_lsn:
                        raise Malformed
                    last = ordinal - 1 if ordinal else None
                    commits.append(Commit(commit_lsn, last, end_lsn))
                    transaction = None
                elif (decoders := rows.get(tag)) is not None:
                    lsn, oid = _head(frame)
                    if transaction is None:
                        raise Malformed
                    if ordinal > skip_through:
                        append(decoders[oid](frame, transaction, ordinal, lsn))
                    ordinal += 1
                else:
                    self._transaction, self._ordinal = transaction, ordinal
                    self._skip_through = skip_through
                    lsn, _ = _head(frame)
                    self._control[tag](frame, lsn, events, commits)
                    ordinal = self._ordinal
        except (Malformed, KeyError, IndexError, UnicodeDecodeError, struct.error):
            raise _diagnose(frame) from None
        self._transaction, self._ordinal = transaction, ordinal
        self._skip_through = skip_through
        return EventBatch(events, commits, sum(map(len, frames)))

    def _seen(self, commit_lsn: Lsn) -> int:
        """Return the ordinal up to which a transaction was seen before."""
        resume = self._resume
        if resume is None:
            return _NOTHING
        if commit_lsn < resume.commit_lsn:
            return _EVERYTHING
        if commit_lsn == resume.commit_lsn:
            return resume.ordinal
        self._resume = None
        return _NOTHING

    def _on_relation(
        self, frame: bytes, lsn: Lsn, events: list[CdcEvent], commits: list[Commit]
    ) -> None:
        message = _parse(frame, messages.RelationMessage)
        identity = ReplicaIdentity(message.replica_identity)
        marks_key = identity in (ReplicaIdentity.DEFAULT, ReplicaIdentity.INDEX)
        primary_key = () if marks_key else self._catalog.primary_key(message.oid)
        known = self._known.get(message.oid)
        if known is None or known.message != message or known.primary_key != primary_key:
            decoders = self._make_decoders(message, identity, primary_key)
            if self._watch is not None:
                self._tell(self._watch, decoders.relation)
            known = self._known[message.oid] = _Known(message, primary_key, decoders)
        self._handlers[_INSERT][message.oid] = known.decoders.insert
        self._handlers[_UPDATE][message.oid] = known.decoders.update
        self._handlers[_DELETE][message.oid] = known.decoders.delete

    def _tell(self, watch: RelationWatch, relation: Relation) -> None:
        transaction = self._transaction
        if transaction is None:
            raise Malformed
        position = Position(transaction.commit_lsn, self._ordinal)
        watch.note(relation, position, transaction.timestamp)

    def _make_decoders(
        self,
        message: messages.RelationMessage,
        identity: ReplicaIdentity,
        primary_key: tuple[str, ...],
    ) -> RowDecoders:
        unknown = {c.type_oid for c in message.columns} - self._types.keys()
        if unknown:
            self._types.update(self._catalog.types(unknown))
        described = [(c.name, c.type_oid, c.type_modifier, c.part_of_key) for c in message.columns]
        relation = Relation(
            oid=message.oid,
            schema=message.namespace or "pg_catalog",
            table=message.name,
            replica_identity=identity,
            columns=make_columns(described, self._types, self._style),
            primary_key=primary_key,
        )
        return RowDecoders(relation, lambda type_oid: binary_to_text(type_oid, self._types))

    def _on_type(
        self, frame: bytes, lsn: Lsn, events: list[CdcEvent], commits: list[Commit]
    ) -> None:
        """Check the message; the catalog says more of the type than its name."""
        _parse(frame, messages.TypeMessage)

    def _on_origin(
        self, frame: bytes, lsn: Lsn, events: list[CdcEvent], commits: list[Commit]
    ) -> None:
        _parse(frame, messages.Origin)

    def _on_truncate(
        self, frame: bytes, lsn: Lsn, events: list[CdcEvent], commits: list[Commit]
    ) -> None:
        message = _parse(frame, messages.Truncate)
        transaction = self._transaction
        if transaction is None:
            raise Malformed
        flags = (("CASCADE", message.cascade), ("RESTART IDENTITY", message.restart_identity))
        options = tuple(name for name, given in flags if given)
        for oid in message.relation_oids:
            relation = self._known[oid].decoders.relation
            if self._ordinal > self._skip_through:
                events.append(TruncateEvent.of(transaction, self._ordinal, lsn, relation, options))
            self._ordinal += 1

    def _on_message(
        self, frame: bytes, lsn: Lsn, events: list[CdcEvent], commits: list[Commit]
    ) -> None:
        message = _parse(frame, messages.Message)
        transaction, ordinal = self._transaction, self._ordinal
        if message.transactional != (transaction is not None):
            raise Malformed
        if transaction is None:
            sent = _send_time(frame, 17)[0] + POSTGRES_EPOCH_US
            transaction, ordinal = Transaction(self._source, None, message.lsn, sent), -1
            commits.append(Commit(message.lsn, NON_TRANSACTIONAL, message.lsn))
            seen = self._resume is not None and (message.lsn, ordinal) <= self._resume
        else:
            seen = ordinal <= self._skip_through
            self._ordinal += 1
        if not seen:
            row = message_row(message)
            events.append(
                CdcEvent(transaction, ordinal, lsn, Operation.MESSAGE, MESSAGE_RELATION, row, None)
            )


def _parse(frame: bytes, expected: type[_Message]) -> _Message:
    message = parse_message(frame[HEADER_BYTES:])
    assert isinstance(message, expected)  # the tag says so
    return message


def _diagnose(frame: bytes) -> DecodeError:
    """Find out what is wrong with a frame that the fast path refused."""
    if len(frame) <= HEADER_BYTES or frame[0] != 0x77:
        return DecodeError("not an XLogData frame", offset=0, context="CopyData")
    try:
        message = parse_message(frame[HEADER_BYTES:])
    except DecodeError as error:
        return error
    lsn = format_lsn(_head(frame)[0]) if len(frame) >= HEADER_BYTES + 5 else "the end of the frame"
    return DecodeError(
        f"the message at {lsn} does not fit the messages before it (its transaction, its "
        "relation or the number of its columns), or was not asked for",
        offset=0,
        context=type(message).__name__,
    )
