"""The event of a result: what a processor has told, on its way to a sink.

To sinks, routes, keys and the dead-letter store it is an event of the table ``type.processor``,
such as ``window_result.revenue_per_minute``, with the operation ``Result``. Its row has three
columns: ``event_id``, ``row_id``, which is the key, and ``result``, the rest as a JSON document.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from bridge.core.events import CdcEvent, Operation, Source, Transaction
from bridge.core.relation import Column, Relation, ReplicaIdentity
from bridge.core.values import ColumnForm, Form

RESULT_TYPES: Final = (
    "window_result",
    "join_result",
    "pattern_match",
    "pattern_timeout",
    "late_event",
)
"""Every ``type`` of a result."""

_MAX_RELATIONS = 1024
_JSONB, _TEXT = 3802, 25


RESULT_COLUMNS: Final = (
    Column(name="event_id", type_oid=_TEXT, form=ColumnForm(Form.TEXT)),
    Column(name="row_id", type_oid=_TEXT, in_identity=True, form=ColumnForm(Form.TEXT)),
    Column(name="result", type_oid=_JSONB, form=ColumnForm(Form.JSON)),
)
"""The columns of every relation of results, and of no other: compare with ``is``."""


@lru_cache(maxsize=_MAX_RELATIONS)
def _relation(result_type: str, processor: str) -> Relation:
    """Return the same relation for the same names: encoders are generated for each."""
    return Relation(
        oid=0,
        schema=result_type,
        table=processor,
        replica_identity=ReplicaIdentity.DEFAULT,
        columns=RESULT_COLUMNS,
    )


class ResultEvent(CdcEvent, eq=False, gc=False):
    """A result with its place in the outbox.

    ``position`` is the place: ``Position(sequence, 0)``. ``event_id`` is the identifier of the
    result itself, which stays the same when its place does not: after the store was lost, the
    same results come again under other numbers.
    """

    @classmethod
    def of(
        cls,
        source: Source,
        sequence: int,
        *,
        id: str,
        type: str,
        processor: str,
        timestamp: int,
        row_id: str | None,
        members: str,
    ) -> ResultEvent:
        """Make the event.

        Args:
            source: the identity of the store that numbers the results, and the database.
            sequence: number in the outbox, from 1.
            id: identifier of the result.
            type: one of ``RESULT_TYPES``.
            processor: name of the processor.
            timestamp: in microseconds since the Unix epoch.
            row_id: the key as text, in the form of ``CdcEvent.row_id``; None without a key.
            members: the JSON members behind ``event_id``, without braces; never empty.
        """
        return cls(
            Transaction(source, None, sequence, timestamp),
            0,
            sequence,
            Operation.RESULT,
            _relation(type, processor),
            (id, row_id, f"{{{members}}}"),
            None,
        )

    @property
    def event_id(self) -> str:
        """Identifier of the result, made of what it says."""
        id, _, _ = self._row
        return id

    @property
    def delivery_id(self) -> str:
        """UUID of the place: what ``event_id`` is for a change at this position."""
        return super().event_id

    @property
    def document(self) -> str:
        """What is behind ``event_id`` in the JSON form, as a JSON object."""
        _, _, document = self._row
        return document

    @property
    def _row(self) -> tuple[str, str | None, str]:
        assert self.new is not None
        id, row_id, document = self.new
        assert id is not None
        assert document is not None
        return id, row_id, document
