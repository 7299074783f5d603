"""The messages of the logical replication protocol, versions 1 to 4, one dataclass each.

Field order and meaning follow the manual, "Logical Replication Message Formats"
(https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html). Each docstring
gives the byte layout after the one-byte tag:

- ``int8`` … ``int64`` are big-endian, ``lsn`` is an unsigned ``int64``, ``oid`` and ``xid`` are
  unsigned ``int32``, ``string`` is UTF-8 with a terminating zero byte;
- ``time`` is an ``int64`` of microseconds since 2000-01-01 UTC; the fields here hold
  microseconds since the Unix epoch instead;
- ``[xid]`` is present between Stream Start and Stream Stop only (protocol 2 and later). The
  field ``xid`` of such a message is ``None`` outside a stream.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from bridge.core.lsn import Lsn


class Unchanged(enum.Enum):
    """Type of the marker ``UNCHANGED``."""

    UNCHANGED = "u"


UNCHANGED: Final = Unchanged.UNCHANGED
"""Stands for a TOASTed value that an UPDATE left alone, and that the server did not send."""


@dataclass(frozen=True, slots=True)
class Binary:
    """A column value in the binary format of its type (``binary 'true'``)."""

    data: bytes


TupleValue: TypeAlias = str | Binary | Literal[Unchanged.UNCHANGED] | None
"""A column value: text, binary, NULL or unchanged TOAST."""

TupleData: TypeAlias = tuple[TupleValue, ...]
"""The values of one row, in the order of the relation's columns.

Layout: ``int16`` number of columns; per column ``byte1`` kind: ``n`` NULL, ``u`` unchanged TOAST,
``t`` text or ``b`` binary, the last two followed by an ``int32`` length and the bytes.
"""


class OldTuple(enum.Enum):
    """What the old row of an Update or a Delete holds."""

    KEY = "K"
    """Values of the replica identity's columns; all others are NULL, whatever they were."""
    FULL = "O"
    """The whole row: the relation has REPLICA IDENTITY FULL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Begin:
    """``B``: a transaction begins. Layout: lsn, time, xid."""

    final_lsn: Lsn
    """The LSN of the commit; equal to ``commit_lsn`` of the Commit that ends the transaction."""
    commit_time: int
    xid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """``C``: the transaction is complete. Layout: int8 flags (0), lsn, lsn, time."""

    commit_lsn: Lsn
    end_lsn: Lsn
    """The end of the commit record: the position to confirm."""
    commit_time: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """``O``: the transaction came from another node. Layout: lsn, string.

    Sent after Begin, or after the first Stream Start; never has a leading xid.
    """

    origin_lsn: Lsn
    """The LSN of the commit on the node of origin; 0 where that is unknown."""
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnMessage:
    """One column of a RelationMessage. Layout: int8 flags, string, oid, int32."""

    part_of_key: bool
    """Belongs to the replica identity (flag 1): with FULL every column does."""
    name: str
    type_oid: int
    type_modifier: int
    """``pg_attribute.atttypmod``; -1 where the type has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RelationMessage:
    """``R``: describes a table; sent before its first row, and again after every change of it.

    Layout: [xid], oid, string, string, int8 replica identity, int16 number of columns, columns.
    """

    oid: int
    namespace: str
    """The schema; the server sends the empty string for ``pg_catalog``."""
    name: str
    replica_identity: str
    """``pg_class.relreplident``: d default, n nothing, f full, i index."""
    columns: tuple[ColumnMessage, ...]
    xid: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeMessage:
    """``Y``: names a type that is not built in; sent before the relation that uses it.

    Layout: [xid], oid, string, string. For a domain ``oid`` is the domain's, but namespace and
    name are those of its base type.
    """

    oid: int
    namespace: str
    """The schema; the server sends the empty string for ``pg_catalog``."""
    name: str
    xid: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Insert:
    """``I``: a row was inserted. Layout: [xid], oid, byte1 ``N``, TupleData."""

    relation_oid: int
    new: TupleData
    xid: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """``U``: a row was updated.

    Layout: [xid], oid, then optionally byte1 ``K`` or ``O`` and the old TupleData, then
    byte1 ``N`` and the new TupleData. Without REPLICA IDENTITY FULL the old key is sent only if
    one of its columns changed (or is TOASTed).
    """

    relation_oid: int
    old_kind: OldTuple | None
    old: TupleData | None
    """None if and only if ``old_kind`` is None."""
    new: TupleData
    xid: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delete:
    """``D``: a row was deleted. Layout: [xid], oid, byte1 ``K`` or ``O``, TupleData."""

    relation_oid: int
    old_kind: OldTuple
    old: TupleData
    xid: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Truncate:
    """``T``: tables were emptied, all by one command.

    Layout: [xid], int32 number of relations, int8 options (1 CASCADE, 2 RESTART IDENTITY), oids.
    """

    relation_oids: tuple[int, ...]
    cascade: bool
    restart_identity: bool
    xid: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """``M``: written by ``pg_logical_emit_message()`` (servers >= 14, option ``messages``).

    Layout: [xid], int8 flags (1 transactional), lsn, string, int32 length, bytes.
    A message that is not transactional comes at once, outside Begin and Commit, even if the
    transaction that wrote it is rolled back.
    """

    transactional: bool
    lsn: Lsn
    prefix: str
    content: bytes
    """Any bytes: not text unless the writer says so."""
    xid: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamStart:
    """``S``: a chunk of a transaction in progress begins. Layout: xid, int8 first segment."""

    xid: int
    first_segment: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamStop:
    """``E``: the chunk ends; the transaction is still in progress. No fields."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamCommit:
    """``c``: a streamed transaction is complete. Layout: xid, int8 flags (0), lsn, lsn, time."""

    xid: int
    commit_lsn: Lsn
    end_lsn: Lsn
    commit_time: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamAbort:
    """``A``: a streamed transaction, or a subtransaction of it, was rolled back.

    Layout: xid, xid; with ``streaming 'parallel'`` (protocol 4) also lsn, time.
    """

    xid: int
    subxid: int
    """Equal to ``xid`` if the whole transaction was rolled back."""
    abort_lsn: Lsn | None
    abort_time: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BeginPrepare:
    """``b``: a prepared transaction begins. Layout: lsn, lsn, time, xid, string."""

    prepare_lsn: Lsn
    end_lsn: Lsn
    prepare_time: int
    xid: int
    gid: str
    """The name given in PREPARE TRANSACTION."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepare:
    """``P``: the transaction is prepared. Layout: int8 flags (0), lsn, lsn, time, xid, string."""

    prepare_lsn: Lsn
    end_lsn: Lsn
    prepare_time: int
    xid: int
    gid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitPrepared:
    """``K``: COMMIT PREPARED. Layout: int8 flags (0), lsn, lsn, time, xid, string."""

    commit_lsn: Lsn
    end_lsn: Lsn
    commit_time: int
    xid: int
    gid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackPrepared:
    """``r``: ROLLBACK PREPARED.

    Layout: int8 flags (0), lsn, lsn, time, time, xid, string.
    """

    prepare_end_lsn: Lsn
    rollback_end_lsn: Lsn
    prepare_time: int
    rollback_time: int
    xid: int
    gid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamPrepare:
    """``p``: a streamed transaction is prepared.

    Layout: int8 flags (0), lsn, lsn, time, xid, string.
    """

    prepare_lsn: Lsn
    end_lsn: Lsn
    prepare_time: int
    xid: int
    gid: str


PgOutputMessage: TypeAlias = (
    Begin
    | Commit
    | Origin
    | RelationMessage
    | TypeMessage
    | Insert
    | Update
    | Delete
    | Truncate
    | Message
    | StreamStart
    | StreamStop
    | StreamCommit
    | StreamAbort
    | BeginPrepare
    | Prepare
    | CommitPrepared
    | RollbackPrepared
    | StreamPrepare
)
