"""The event: one change of one row, with its place in the WAL.

On the hot path an event is a small object over the texts that the server sent. Dictionaries,
``event_id`` and the JSON form are made when somebody looks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from msgspec import Struct

from bridge.core.event_id import ID_ENDS, id_groups, id_prefix, parse_event_id
from bridge.core.lsn import Lsn, format_lsn, parse_lsn

if TYPE_CHECKING:
    from bridge.core.relation import Relation
    from bridge.core.values import Value


_ORDINAL = re.compile(r"-1|[0-9]{1,18}")


class Operation(StrEnum):
    """What happened to the row. The value is the name used in every output.

    ``RESULT`` is no change of a row: it is what a processor tells (``bridge.core.result_event``).
    """

    INSERT = "Insert"
    UPDATE = "Update"
    DELETE = "Delete"
    TRUNCATE = "Truncate"
    READ = "Read"
    MESSAGE = "Message"
    RESULT = "Result"


class Position(NamedTuple):
    """Order and identity of an event: where its transaction commits, and its number in it.

    Positions compare as tuples. The ordinal counts from 0; a *non-transactional* logical message
    has ordinal -1, so that it stands before the transaction whose commit begins where it ends.
    """

    commit_lsn: Lsn
    ordinal: int

    def __str__(self) -> str:
        return f"{format_lsn(self.commit_lsn)}:{self.ordinal}"

    @classmethod
    def parse(cls, text: str) -> Position:
        """Read the text form, ``16/B374D848:3``.

        Raises:
            ValueError: the text has another form.
        """
        lsn, _, ordinal = text.rpartition(":")
        try:
            if not _ORDINAL.fullmatch(ordinal):
                raise ValueError
            return cls(parse_lsn(lsn), int(ordinal))
        except ValueError:
            raise ValueError(
                f"not a position: {text!r} (expected the form 16/B374D848:3)"
            ) from None

    @classmethod
    def of_event_id(cls, event_id: str) -> Position:
        """Return the position of the event with this ``event_id``, which holds it.

        Raises:
            ValueError: the text is not an ``event_id``.
        """
        lsn, number = parse_event_id(event_id)
        return cls(lsn, NON_TRANSACTIONAL if number == 0xFFFFFFFF else number)


NON_TRANSACTIONAL = -1
"""Ordinal of a logical message that was written outside any transaction's commit."""

GAP_PREFIX = "pgbridge.gap"
"""Prefix of the message event that tells consumers between which positions changes are missing."""

GAP_ORDINAL = 0xFFFF_FFFE
"""Ordinal of such a message behind everything else of the transaction that is missing last."""


@dataclass(frozen=True, slots=True)
class Source:
    """Which database the events come from.

    Attributes:
        system_identifier: of the cluster, as ``IDENTIFY_SYSTEM`` prints it.
        database: name of the database.
    """

    system_identifier: str
    database: str
    id_groups: tuple[str, ...] = field(init=False, repr=False)
    """How an ``event_id`` goes on after the LSN, for each last hexadecimal digit of the LSN."""

    def __post_init__(self) -> None:
        groups = id_groups(self.system_identifier, self.database)
        object.__setattr__(self, "id_groups", groups)


class Transaction(Struct, eq=False, gc=False):
    """What all events of a transaction share. ``timestamp`` is in microseconds since 1970."""

    source: Source
    xid: int | None
    commit_lsn: Lsn
    timestamp: int
    _json: str | None = None

    @property
    def id_prefix(self) -> str:
        """The first 28 characters of the ``event_id`` of each event of the transaction.

        The identifier is a UUID version 8 (RFC 9562 section 5.8) made of the commit LSN (64
        bits), a hash of the source (26 bits) and the ordinal (32 bits). Inside one database it
        is unique by construction and sorts like the position, which keeps the unique indexes of
        consumers compact. Only a non-transactional message sorts last among those of its LSN.
        """
        return id_prefix(self.commit_lsn, self.source.id_groups)

    def json(self) -> str:
        """Return the JSON members that events of the transaction share, open at the ordinal of the
        id.
        """
        fragment = self._json
        if fragment is None:
            lsn, xid = self.commit_lsn, self.xid
            transaction_id = "null" if xid is None else f'"{xid}"'
            fragment = self._json = (
                f'"timestamp":{self.timestamp},"transaction_id":{transaction_id},'
                f'"commit_lsn":{lsn},"event_id":"{id_prefix(lsn, self.source.id_groups)}'
            )
        return fragment


Texts: TypeAlias = tuple[str | None, ...]
"""A row as the server printed it: one text for each column of the relation, None for NULL."""


class PartialRow(tuple[str | None, ...]):
    """A row in which the server left out columns; those hold ``ABSENT``.

    It is a type of its own so that complete rows, the common case, need no look at each value.
    """

    __slots__ = ()


ABSENT = "\0absent"
"""Stands for a column that was not sent. No text of PostgreSQL contains a NUL character.

Compared by identity: ``value is ABSENT``.
"""


class CdcEvent(Struct, eq=False, gc=False):
    """One change.

    Attributes:
        transaction: commit LSN, xid, time and source, shared with its neighbours.
        ordinal: number of the change in its transaction, from 0.
        lsn: WAL position of the change itself. Information only: it is neither unique nor
            monotone, use ``position`` to order and to deduplicate.
        operation: what happened.
        relation: the table as it was at that moment.
        new: the row after the change, as texts; None where the operation has none.
        old: what the replica identity gives of the row before it; None where it gives nothing.
    """

    transaction: Transaction
    ordinal: int
    lsn: Lsn
    operation: Operation
    relation: Relation
    new: Texts | None
    old: Texts | None

    def __repr__(self) -> str:  # never the values of the row
        return f"<CdcEvent {self.operation} {self.relation.qualified_name} at {self.position}>"

    @property
    def position(self) -> Position:
        """Order and identity of the event."""
        return Position(self.transaction.commit_lsn, self.ordinal)

    @property
    def event_id(self) -> str:
        """UUID of the event: the same change has the same one after every redelivery."""
        return f"{self.transaction.id_prefix}{ID_ENDS[self.ordinal]}"

    @property
    def timestamp(self) -> int:
        """Commit time, in microseconds since the Unix epoch."""
        return self.transaction.timestamp

    @property
    def transaction_id(self) -> str | None:
        """The transaction's xid as text; None outside transactions."""
        xid = self.transaction.xid
        return None if xid is None else str(xid)

    @property
    def commit_lsn(self) -> Lsn:
        """Where the transaction's commit record begins."""
        return self.transaction.commit_lsn

    @property
    def schema(self) -> str | None:
        """The table's schema; None for a logical message."""
        return self.relation.schema

    @property
    def table(self) -> str | None:
        """The table's name; None for a logical message."""
        return self.relation.table

    @property
    def row_id(self) -> str | None:
        """The row's key as text, a JSON array for composite keys; None without a key."""
        row, old = self.new, self.old
        if row is None:
            row = old
        elif old is not None and type(row) is PartialRow:
            # A key so long that it is TOASTed is in the old row only, unless it has changed.
            pairs = zip(row, old, strict=True)
            row = tuple(before if text is ABSENT else text for text, before in pairs)
        return None if row is None else self.relation.row_id(row)

    @property
    def new_values(self) -> Mapping[str, Value] | None:
        """Column to value after the change, without the ``unchanged`` ones."""
        return None if self.new is None else self.relation.values(self.new)

    @property
    def old_values(self) -> Mapping[str, Value] | None:
        """Column to value before the change: the key, or the row under REPLICA IDENTITY FULL."""
        return None if self.old is None else self.relation.values(self.old)

    @property
    def unchanged(self) -> tuple[str, ...]:
        """Names of the TOASTed columns that the change left alone and the server did not send."""
        if type(self.new) is not PartialRow:
            return ()
        columns = self.relation.columns
        return tuple(c.name for c, text in zip(columns, self.new, strict=True) if text is ABSENT)


class TruncateEvent(CdcEvent, eq=False, gc=False):
    """A TRUNCATE of one table; a command that names several gives one event for each.

    Attributes:
        options: ``CASCADE`` and ``RESTART IDENTITY``, as far as the command had them.
    """

    options: tuple[str, ...]

    @classmethod
    def of(
        cls,
        transaction: Transaction,
        ordinal: int,
        lsn: Lsn,
        relation: Relation,
        options: tuple[str, ...] = (),
    ) -> TruncateEvent:
        """Make the event; the row is neither there before nor after."""
        return cls(transaction, ordinal, lsn, Operation.TRUNCATE, relation, None, None, options)


class Commit(Struct, frozen=True, gc=False):
    """The end of a transaction in the stream, or a non-transactional message.

    Attributes:
        commit_lsn: where the commit record begins.
        last_ordinal: of its last event; None for a transaction without published changes.
        end_lsn: where the commit record ends: what is confirmed to the server.
    """

    commit_lsn: Lsn
    last_ordinal: int | None
    end_lsn: Lsn


_relation = attrgetter("relation")


class EventBatch:
    """Events in the order of their positions, and the commits among and after them.

    Args:
        events: may hold a part of a transaction, or several whole ones.
        commits: of the transactions that end in this batch.
        size_bytes: what the events took on the wire; the measure of every memory bound.
    """

    __slots__ = ("_encoded", "commits", "events", "size_bytes")

    def __init__(
        self, events: list[CdcEvent], commits: Sequence[Commit] = (), size_bytes: int = 0
    ) -> None:
        self.events = events
        self.commits = commits
        self.size_bytes = size_bytes
        self._encoded: dict[str, list[str]] = {}

    def __len__(self) -> int:
        return len(self.events)

    @property
    def last(self) -> Position:
        """Position of the last event. The batch must not be empty."""
        return self.events[-1].position

    def after(self, position: Position) -> EventBatch:
        """Return the batch without the events up to and including ``position``."""
        events = self.events
        if not events or events[0].position > position:
            return self
        low, high = 0, len(events)
        while low < high:
            middle = (low + high) // 2
            if events[middle].position > position:
                high = middle
            else:
                low = middle + 1
        share = self.size_bytes * (len(events) - low) // len(events)
        return EventBatch(events[low:], self.commits, share)

    def encoded(
        self, name: str, encoder: Callable[[Relation], Callable[[CdcEvent], str]]
    ) -> list[str]:
        """Return each event in the format ``name``, encoding once for all sinks that share it.

        Args:
            name: of the format.
            encoder: returns the encode function for the events of a relation.
        """
        lines = self._encoded.get(name)
        if lines is None:
            lines = []
            for relation, events in groupby(self.events, _relation):
                lines += map(encoder(relation), events)
            self._encoded[name] = lines
        return lines
