"""Row messages to events, by functions that are generated once for each relation.

A row costs one call that slices the frame column by column; there is no loop over columns and no
table of converters. The generated code covers complete rows of text. Everything rarer (old rows,
unchanged TOAST, binary columns, values of 256 bytes and more) takes the functions below it.

A frame is an ``XLogData`` message as it comes in COPY BOTH mode: 25 bytes of header (``w``, start
LSN, end LSN, send time), then the pgoutput message
(https://www.postgresql.org/docs/current/protocol-replication.html).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from struct import Struct
from typing import Any, TypeAlias

from bridge.core.events import ABSENT, CdcEvent, Operation, PartialRow, Texts, Transaction
from bridge.core.lsn import Lsn
from bridge.core.relation import Relation
from decoders.binary.scalars import char

HEADER_BYTES = 25
"""Size of the header of an XLogData frame."""

RowDecoder: TypeAlias = Callable[[bytes, Transaction, int, Lsn], CdcEvent]
"""(frame, transaction, ordinal, lsn) to event."""

BinaryText: TypeAlias = Callable[[int], Callable[[bytes], str]]
"""Type OID to the function from the binary form of a value to its text."""

_TUPLE_START = HEADER_BYTES + 1 + 4  # after the tag and the OID of the relation
_SHORT_TEXT = b"t\0\0\0"  # kind and the upper three bytes of the length: text below 256 bytes
_CHAR = 18
"""OID of the type ``"char"``. Servers before 15 print a byte beyond ASCII as it is, which is not
UTF-8; it becomes what newer ones print."""
_length = Struct(">I").unpack_from
_count = Struct(">H").unpack_from


class Malformed(Exception):
    """The frame is not what the relation announced. The caller finds out what is wrong with it."""


class RowDecoders:
    """The decode functions of one relation: ``insert``, ``update`` and ``delete``.

    Each raises ``Malformed``, ``IndexError``, ``struct.error`` or ``UnicodeDecodeError`` on a
    frame that does not hold a row of the relation; ``DecodeError`` or ``EnvironmentProblem`` on a
    binary value that cannot be read.

    Args:
        relation: whose rows these are.
        binary: asked for a column's type when its first binary value comes.
    """

    __slots__ = ("_binary", "_row", "_update_new", "delete", "insert", "relation", "update")

    def __init__(self, relation: Relation, binary: BinaryText) -> None:
        self.relation = relation
        self._binary = cache(lambda column: binary(relation.columns[column].type_oid))
        generated = _generate(relation, self._field)
        self.insert: RowDecoder = generated["insert"]
        self._update_new: RowDecoder = generated["update"]
        self._row: Callable[[bytes, int], tuple[Texts, int]] = generated["row"]
        self.update: RowDecoder = self._update
        self.delete: RowDecoder = self._delete

    def _field(self, frame: bytes, at: int, column: int) -> tuple[str | None, int]:
        """Read one column of any kind; returns its text (or None, or ABSENT) and what follows."""
        kind = frame[at]
        if kind == 0x6E:  # n
            return None, at + 1
        if kind == 0x75:  # u
            return ABSENT, at + 1
        start = at + 5
        end = start + _length(frame, at + 1)[0]
        if end > len(frame):
            raise Malformed
        if kind == 0x74:  # t
            if end == start + 1 and self.relation.columns[column].type_oid == _CHAR:
                return char(frame[start:end]), end
            return frame[start:end].decode(), end
        if kind == 0x62:  # b
            return self._binary(column)(frame[start:end]), end
        raise Malformed

    def _update(self, frame: bytes, transaction: Transaction, ordinal: int, lsn: Lsn) -> CdcEvent:
        kind = frame[_TUPLE_START]
        if kind == 0x4E:  # N: the key did not change
            return self._update_new(frame, transaction, ordinal, lsn)
        old, at = self._old_row(frame, kind)
        if frame[at] != 0x4E:
            raise Malformed
        new, end = self._row(frame, at + 1)
        if end != len(frame):
            raise Malformed
        if type(new) is PartialRow and kind == 0x4F:
            new = _fill_from_old(new, old)
        return CdcEvent(transaction, ordinal, lsn, Operation.UPDATE, self.relation, new, old)

    def _delete(self, frame: bytes, transaction: Transaction, ordinal: int, lsn: Lsn) -> CdcEvent:
        old, end = self._old_row(frame, frame[_TUPLE_START])
        if end != len(frame):
            raise Malformed
        return CdcEvent(transaction, ordinal, lsn, Operation.DELETE, self.relation, None, old)

    def _old_row(self, frame: bytes, kind: int) -> tuple[Texts, int]:
        if kind == 0x4F:  # O: the whole row
            return self._row(frame, _TUPLE_START + 1)
        if kind != 0x4B:
            raise Malformed
        row, end = self._row(frame, _TUPLE_START + 1)
        # K: the server sends NULL for all columns outside the identity, whatever they held.
        key = (
            text if column.in_identity else ABSENT
            for column, text in zip(self.relation.columns, row, strict=True)
        )
        return PartialRow(key), end


def _fill_from_old(new: Texts, old: Texts) -> Texts:
    """Under REPLICA IDENTITY FULL the old row holds what the new one left out."""
    filled = tuple(o if n is ABSENT else n for n, o in zip(new, old, strict=True))
    return PartialRow(filled) if any(text is ABSENT for text in filled) else filled


def _generate(relation: Relation, field: Callable[[bytes, int, int], Any]) -> dict[str, Any]:
    """Make ``insert``, ``update`` (without an old row) and ``row``. For one column::

    def insert(frame, transaction, ordinal, lsn):
        at = 33
        if frame[30:33] != START: raise Malformed
        partial = False
        if frame[at:at+4] == SHORT_TEXT:
            end = at + 5 + frame[at+4]; v0 = frame[at+5:end].decode(); at = end
        elif frame[at] == 110: v0 = None; at += 1
        else:
            v0, at = field(frame, at, 0)
            if v0 is ABSENT: partial = True
        if at != len(frame): raise Malformed
        row = (v0, )
        if partial: row = PartialRow(row)
        event = new(CdcEvent)  # half the time of calling the class
        event.transaction = transaction; ...; event.new = row; event.old = None
        return event
    """
    count = len(relation.columns)
    fields = "    partial = False\n" + "".join(
        (_ANY_FIELD if column.type_oid == _CHAR else _FIELD).format(i=i)
        for i, column in enumerate(relation.columns)
    )
    row = "    row = (" + "".join(f"v{i}, " for i in range(count)) + ")\n"
    row += "    if partial: row = PartialRow(row)\n"
    source = ""
    for name in ("insert", "update"):
        source += (
            f"def {name}(frame, transaction, ordinal, lsn):\n"
            f"    if frame[{_TUPLE_START}:{_TUPLE_START + 3}] != START: raise Malformed\n"
            f"    at = {_TUPLE_START + 3}\n{fields}"
            f"    if at != len(frame): raise Malformed\n{row}"
            f"    event = new(CdcEvent)\n"
            "    event.transaction = transaction; event.ordinal = ordinal; event.lsn = lsn\n"
            f"    event.operation = {name.upper()}; event.relation = relation\n"
            "    event.new = row; event.old = None\n"
            "    return event\n"
        )
    source += (
        "def row(frame, at):\n"
        "    if frame[at:at + 2] != COUNT: raise Malformed\n"
        f"    at += 2\n{fields}{row}"
        "    return row, at\n"
    )
    columns = count.to_bytes(2, "big")
    names: dict[str, Any] = {
        "ABSENT": ABSENT,
        "COUNT": columns,
        "CdcEvent": CdcEvent,
        "INSERT": Operation.INSERT,
        "Malformed": Malformed,
        "PartialRow": PartialRow,
        "SHORT_TEXT": _SHORT_TEXT,
        "START": b"N" + columns,
        "UPDATE": Operation.UPDATE,
        "field": field,
        "len": len,
        "new": object.__new__,
        "relation": relation,
    }
    exec(compile(source, f"<decoder of {relation!r}>", "exec"), names)  # noqa: S102
    return names


_ANY_FIELD = """\
    v{i}, at = field(frame, at, {i})
    if v{i} is ABSENT: partial = True
"""
_FIELD = """\
    if frame[at:at + 4] == SHORT_TEXT:
        end = at + 5 + frame[at + 4]; v{i} = frame[at + 5:end].decode(); at = end
    elif frame[at] == 110: v{i} = None; at += 1
    else:
        v{i}, at = field(frame, at, {i})
        if v{i} is ABSENT: partial = True
"""
