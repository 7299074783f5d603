"""The reference parser: the bytes of one pgoutput message -> one object of ``decoders.messages``.

Complete and readable rather than fast: rows on the hot path are decoded by functions generated
per relation to the same rules. The parser knows no state but one bit, whether the message lies
inside a streamed chunk, because some messages then begin with a transaction id
(https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html).

Whatever the bytes are, the outcome is a message or a ``DecodeError``: flags, kinds and tags that
the protocol does not define are errors too, because skipping them would lose changes silently.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bridge.core.errors import DecodeError
from decoders.messages import (
    UNCHANGED,
    Begin,
    BeginPrepare,
    Binary,
    ColumnMessage,
    Commit,
    CommitPrepared,
    Delete,
    Insert,
    Message,
    OldTuple,
    Origin,
    PgOutputMessage,
    Prepare,
    RelationMessage,
    RollbackPrepared,
    StreamAbort,
    StreamCommit,
    StreamPrepare,
    StreamStart,
    StreamStop,
    Truncate,
    TupleData,
    TupleValue,
    TypeMessage,
    Update,
)
from decoders.wire import Reader

POSTGRES_EPOCH_US = 946_684_800_000_000
"""2000-01-01 UTC, in microseconds since the Unix epoch."""

_CASCADE = 1
_RESTART_IDENTITY = 2
_TRANSACTIONAL = 1
_PART_OF_KEY = 1
_MIN_COLUMN_SIZE = 10  # flags, an empty name with its zero byte, type, modifier


def parse_message(data: bytes, *, in_stream: bool = False) -> PgOutputMessage:
    """Parse one message: the payload of one XLogData frame.

    Args:
        data: the message, from its tag to its end.
        in_stream: the message comes between Stream Start and Stream Stop.

    Raises:
        DecodeError: the bytes are not exactly one message of protocol 1 to 4.
    """
    if not data:
        raise DecodeError("the message is empty", offset=0, context="message")
    tag = data[:1]
    if tag in _STREAMED:
        name, parse_streamed = _STREAMED[tag]
        reader = Reader(data, name, offset=1)
        xid = reader.uint32("xid") if in_stream else None
        message: PgOutputMessage = parse_streamed(reader, xid)
    elif tag in _PLAIN:
        name, parse_plain = _PLAIN[tag]
        reader = Reader(data, name, offset=1)
        message = parse_plain(reader)
    else:
        raise DecodeError(f"unknown tag {tag!r}", offset=0, context="message")
    reader.expect_end()
    return message


def _begin(reader: Reader) -> Begin:
    return Begin(
        final_lsn=reader.uint64("final LSN"),
        commit_time=_time(reader, "commit time"),
        xid=reader.uint32("xid"),
    )


def _commit(reader: Reader) -> Commit:
    _no_flags(reader)
    return Commit(
        commit_lsn=reader.uint64("commit LSN"),
        end_lsn=reader.uint64("end LSN"),
        commit_time=_time(reader, "commit time"),
    )


def _origin(reader: Reader) -> Origin:
    return Origin(origin_lsn=reader.uint64("origin LSN"), name=reader.cstring("name"))


def _relation(reader: Reader, xid: int | None) -> RelationMessage:
    return RelationMessage(
        xid=xid,
        oid=reader.uint32("OID"),
        namespace=reader.cstring("namespace"),
        name=reader.cstring("name"),
        replica_identity=_one_of(reader, "dnfi", "replica identity"),
        columns=tuple(
            _column(reader)
            for _ in range(reader.count16("number of columns", item_size=_MIN_COLUMN_SIZE))
        ),
    )


def _column(reader: Reader) -> ColumnMessage:
    return ColumnMessage(
        part_of_key=_flags(reader, _PART_OF_KEY, "column flags") == _PART_OF_KEY,
        name=reader.cstring("column name"),
        type_oid=reader.uint32("column type"),
        type_modifier=reader.int32("column type modifier"),
    )


def _type(reader: Reader, xid: int | None) -> TypeMessage:
    return TypeMessage(
        xid=xid,
        oid=reader.uint32("OID"),
        namespace=reader.cstring("namespace"),
        name=reader.cstring("name"),
    )


def _insert(reader: Reader, xid: int | None) -> Insert:
    relation_oid = reader.uint32("relation OID")
    _one_of(reader, "N", "tuple kind")
    return Insert(xid=xid, relation_oid=relation_oid, new=_tuple(reader))


def _update(reader: Reader, xid: int | None) -> Update:
    relation_oid = reader.uint32("relation OID")
    kind = _one_of(reader, "KON", "tuple kind")
    old_kind, old = None, None
    if kind != "N":
        old_kind, old = OldTuple(kind), _tuple(reader)
        _one_of(reader, "N", "tuple kind")
    return Update(
        xid=xid, relation_oid=relation_oid, old_kind=old_kind, old=old, new=_tuple(reader)
    )


def _delete(reader: Reader, xid: int | None) -> Delete:
    return Delete(
        xid=xid,
        relation_oid=reader.uint32("relation OID"),
        old_kind=OldTuple(_one_of(reader, "KO", "tuple kind")),
        old=_tuple(reader),
    )


def _truncate(reader: Reader, xid: int | None) -> Truncate:
    count = reader.count32("number of relations", item_size=4)
    options = _flags(reader, _CASCADE | _RESTART_IDENTITY, "options")
    return Truncate(
        xid=xid,
        cascade=bool(options & _CASCADE),
        restart_identity=bool(options & _RESTART_IDENTITY),
        relation_oids=tuple(reader.uint32("relation OID") for _ in range(count)),
    )


def _message(reader: Reader, xid: int | None) -> Message:
    return Message(
        xid=xid,
        transactional=_flags(reader, _TRANSACTIONAL, "flags") == _TRANSACTIONAL,
        lsn=reader.uint64("LSN"),
        prefix=reader.cstring("prefix"),
        content=reader.sized("content"),
    )


def _stream_start(reader: Reader) -> StreamStart:
    return StreamStart(
        xid=reader.uint32("xid"), first_segment=_flags(reader, 1, "first segment") == 1
    )


def _stream_stop(reader: Reader) -> StreamStop:
    return StreamStop()


def _stream_commit(reader: Reader) -> StreamCommit:
    xid = reader.uint32("xid")
    _no_flags(reader)
    return StreamCommit(
        xid=xid,
        commit_lsn=reader.uint64("commit LSN"),
        end_lsn=reader.uint64("end LSN"),
        commit_time=_time(reader, "commit time"),
    )


def _stream_abort(reader: Reader) -> StreamAbort:
    xid, subxid = reader.uint32("xid"), reader.uint32("subtransaction's xid")
    abort_lsn, abort_time = None, None
    # The message does not say which form it has, but the forms differ in length.
    if reader.remaining:
        abort_lsn, abort_time = reader.uint64("abort LSN"), _time(reader, "abort time")
    return StreamAbort(xid=xid, subxid=subxid, abort_lsn=abort_lsn, abort_time=abort_time)


def _begin_prepare(reader: Reader) -> BeginPrepare:
    return BeginPrepare(
        prepare_lsn=reader.uint64("prepare LSN"),
        end_lsn=reader.uint64("end LSN"),
        prepare_time=_time(reader, "prepare time"),
        xid=reader.uint32("xid"),
        gid=reader.cstring("gid"),
    )


def _prepare(reader: Reader) -> Prepare:
    _no_flags(reader)
    return Prepare(
        prepare_lsn=reader.uint64("prepare LSN"),
        end_lsn=reader.uint64("end LSN"),
        prepare_time=_time(reader, "prepare time"),
        xid=reader.uint32("xid"),
        gid=reader.cstring("gid"),
    )


def _commit_prepared(reader: Reader) -> CommitPrepared:
    _no_flags(reader)
    return CommitPrepared(
        commit_lsn=reader.uint64("commit LSN"),
        end_lsn=reader.uint64("end LSN"),
        commit_time=_time(reader, "commit time"),
        xid=reader.uint32("xid"),
        gid=reader.cstring("gid"),
    )


def _rollback_prepared(reader: Reader) -> RollbackPrepared:
    _no_flags(reader)
    return RollbackPrepared(
        prepare_end_lsn=reader.uint64("prepare end LSN"),
        rollback_end_lsn=reader.uint64("rollback end LSN"),
        prepare_time=_time(reader, "prepare time"),
        rollback_time=_time(reader, "rollback time"),
        xid=reader.uint32("xid"),
        gid=reader.cstring("gid"),
    )


def _stream_prepare(reader: Reader) -> StreamPrepare:
    _no_flags(reader)
    return StreamPrepare(
        prepare_lsn=reader.uint64("prepare LSN"),
        end_lsn=reader.uint64("end LSN"),
        prepare_time=_time(reader, "prepare time"),
        xid=reader.uint32("xid"),
        gid=reader.cstring("gid"),
    )


def _tuple(reader: Reader) -> TupleData:
    count = reader.count16("number of values", item_size=1)
    return tuple([_value(reader) for _ in range(count)])


def _value(reader: Reader) -> TupleValue:
    kind = _one_of(reader, "tnub", "value kind")
    if kind == "t":
        return reader.sized_text("value")
    if kind == "n":
        return None
    if kind == "u":
        return UNCHANGED
    return Binary(reader.sized("value"))


def _time(reader: Reader, field: str) -> int:
    return reader.int64(field) + POSTGRES_EPOCH_US


def _one_of(reader: Reader, allowed: str, field: str) -> str:
    letter = chr(reader.byte(field))
    if letter not in allowed:
        raise reader.error(
            f"{letter!r} is none of {', '.join(allowed)}", field, offset=reader.offset - 1
        )
    return letter


def _flags(reader: Reader, allowed: int, field: str) -> int:
    flags = reader.byte(field)
    if flags & ~allowed:
        raise reader.error(f"unknown flags {flags:#x}", field, offset=reader.offset - 1)
    return flags


def _no_flags(reader: Reader) -> None:
    _flags(reader, 0, "flags")


# Messages without a leading transaction id, whether in a stream or not.
_PLAIN: Mapping[bytes, tuple[str, Callable[[Reader], PgOutputMessage]]] = {
    b"B": ("Begin", _begin),
    b"C": ("Commit", _commit),
    b"O": ("Origin", _origin),
    b"S": ("Stream Start", _stream_start),
    b"E": ("Stream Stop", _stream_stop),
    b"c": ("Stream Commit", _stream_commit),
    b"A": ("Stream Abort", _stream_abort),
    b"b": ("Begin Prepare", _begin_prepare),
    b"P": ("Prepare", _prepare),
    b"K": ("Commit Prepared", _commit_prepared),
    b"r": ("Rollback Prepared", _rollback_prepared),
    b"p": ("Stream Prepare", _stream_prepare),
}

# Messages that begin with the transaction id inside a streamed chunk.
_STREAMED: Mapping[bytes, tuple[str, Callable[[Reader, int | None], PgOutputMessage]]] = {
    b"R": ("Relation", _relation),
    b"Y": ("Type", _type),
    b"I": ("Insert", _insert),
    b"U": ("Update", _update),
    b"D": ("Delete", _delete),
    b"T": ("Truncate", _truncate),
    b"M": ("Message", _message),
}
