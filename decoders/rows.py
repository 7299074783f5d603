"""Row messages to events: ``insert``, ``update`` and ``delete`` of one relation.

A frame is an ``XLogData`` message as it comes in COPY BOTH mode: 25 bytes of header (``w``, start
LSN, end LSN, send time), then the pgoutput message
(https://www.postgresql.org/docs/current/protocol-replication.html).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from bridge.core.events import ABSENT, CdcEvent, Operation, PartialRow, Texts, Transaction
from bridge.core.lsn import Lsn
from bridge.core.relation import Relation
from decoders.tuples import COUNT_BYTES, BinaryText, Malformed, TupleReader

HEADER_BYTES = 25
"""Size of the header of an XLogData frame."""

RowDecoder: TypeAlias = Callable[[bytes, Transaction, int, Lsn], CdcEvent]
"""(frame, transaction, ordinal, lsn) to event."""

_KIND = HEADER_BYTES + 1 + 4  # of the first row: after the tag and the OID of the relation
_ROW = _KIND + 1
_NEW, _KEY, _OLD = b"NKO"


class RowDecoders:
    """The decode functions of one relation.

    Each raises ``Malformed``, ``IndexError``, ``struct.error`` or ``UnicodeDecodeError`` on a
    frame that does not hold a row of the relation; ``DecodeError`` or ``EnvironmentProblem`` on a
    binary value that cannot be read.

    Args:
        relation: whose rows these are.
        binary: asked for a column's type when its first binary value comes.
    """

    __slots__ = ("_identity", "_nothing", "_tuples", "_update_new", "insert", "relation")

    def __init__(self, relation: Relation, binary: BinaryText) -> None:
        self.relation = relation
        self._identity = [i for i, column in enumerate(relation.columns) if column.in_identity]
        self._nothing: list[str | None] = [ABSENT] * len(relation.columns)
        self._tuples = TupleReader(relation, binary)
        self.insert = _new_rows(relation, Operation.INSERT, self._tuples)
        self._update_new = _new_rows(relation, Operation.UPDATE, self._tuples)

    def update(self, frame: bytes, transaction: Transaction, ordinal: int, lsn: Lsn) -> CdcEvent:
        """Decode an Update, with or without an old row."""
        kind = frame[_KIND]
        if kind == _NEW:  # the key did not change
            return self._update_new(frame, transaction, ordinal, lsn)
        old, new = self._tuples.pair(frame, _ROW)
        old = self._old_row(old, kind)
        if type(new) is PartialRow and kind == _OLD:
            new = _fill_from_old(new, old)
        return CdcEvent(transaction, ordinal, lsn, Operation.UPDATE, self.relation, new, old)

    def delete(self, frame: bytes, transaction: Transaction, ordinal: int, lsn: Lsn) -> CdcEvent:
        """Decode a Delete."""
        old = self._old_row(self._tuples.last(frame, _ROW), frame[_KIND])
        return CdcEvent(transaction, ordinal, lsn, Operation.DELETE, self.relation, None, old)

    def _old_row(self, row: Texts, kind: int) -> Texts:
        if kind == _OLD:
            return row
        if kind != _KEY:
            raise Malformed
        # The server sends NULL for all columns outside the identity, whatever they held.
        key = self._nothing.copy()
        for number in self._identity:
            key[number] = row[number]
        return PartialRow(key)


def _new_rows(relation: Relation, operation: Operation, tuples: TupleReader) -> RowDecoder:
    """Return the decode function for frames that hold a new row alone: most frames do."""
    start = b"N" + len(relation.columns).to_bytes(COUNT_BYTES, "big")
    values = _KIND + len(start)
    whole, by_columns = tuples.whole, tuples.last_by_columns

    def decode(frame: bytes, transaction: Transaction, ordinal: int, lsn: Lsn) -> CdcEvent:
        if frame[_KIND:values] != start:
            raise Malformed
        row = whole(frame[values:])
        if row is None:
            row = by_columns(frame, _ROW)
        return CdcEvent(transaction, ordinal, lsn, operation, relation, row, None)

    return decode


def _fill_from_old(new: Texts, old: Texts) -> Texts:
    """Under REPLICA IDENTITY FULL the old row holds what the new one left out."""
    filled = tuple(o if n is ABSENT else n for n, o in zip(new, old, strict=True))
    return PartialRow(filled) if any(text is ABSENT for text in filled) else filled
