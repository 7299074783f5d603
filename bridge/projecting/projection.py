"""A projection: events of the stream in, writes to an event store out."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Final
from uuid import UUID, uuid5

from bridge.core.errors import EnvironmentProblem
from bridge.core.events import CdcEvent, Operation
from bridge.core.relation import Relation
from bridge.dataflow.changelog import full_identity
from bridge.eventsourcing.checks import MAX_ID, MAX_NAME, check_text
from bridge.eventsourcing.encoding import encode_object
from bridge.eventsourcing.errors import InvalidInput
from bridge.eventsourcing.expected_version import ANY
from bridge.eventsourcing.records import NewEvent, Write
from bridge.expressions import EvaluationError
from bridge.projecting.happening import EventSource, Happening, Rejection
from bridge.projecting.messages import is_emitted, read_message

_MAX_RELATIONS: Final = 1000


class Projection:
    """Turns changes into domain events.

    It has no state but what it has found out of tables: the same change gives the same events with
    the same identifiers, however often it comes and however the stream was cut into batches.

    Args:
        name: of the projection.
        sources: what events come from.
        messages: whether logical messages are among it.
    """

    def __init__(
        self, name: str, sources: Sequence[EventSource], *, messages: bool = False
    ) -> None:
        self.name = name
        self.sources = tuple(sources)
        self.messages = messages
        self._sources_of: dict[Relation, tuple[EventSource, ...]] = {}
        self._rejected: list[tuple[CdcEvent, str]] = []

    def project(self, events: Sequence[CdcEvent]) -> list[Write]:
        """Return what has to be stored, in the order of the changes.

        A write never holds events of two changes: an append that was cut short by a crash is
        repeated in the same pieces.

        Raises:
            ConfigError: a table lacks what the definition names, or has it in another type.
            EnvironmentProblem: the server does not send what a definition reads of old rows.
        """
        writes: list[Write] = []
        for event in events:
            try:
                happenings = self._happenings(event)
                if happenings:
                    writes += self._writes(event, happenings)
            except (Rejection, EvaluationError, InvalidInput) as error:
                self._rejected.append((event, str(error)))
        return writes

    def reads(self, relation: Relation) -> bool:
        """Tell whether events can come of a table, which has to be as the definition says.

        Raises:
            ConfigError, EnvironmentProblem: it is not; see ``project``.
        """
        return bool(self._sources_for(relation))

    def take_rejected(self) -> list[tuple[CdcEvent, str]]:
        """Return the changes that gave no events but should have, each once, and why."""
        rejected, self._rejected = self._rejected, []
        return rejected

    def _happenings(self, event: CdcEvent) -> list[Happening]:
        if event.operation is Operation.MESSAGE:
            return [read_message(event)] if self.messages and is_emitted(event) else []
        sources = self._sources_for(event.relation)
        return [happening for source in sources for happening in source.project(event)]

    def _sources_for(self, relation: Relation) -> tuple[EventSource, ...]:
        found = self._sources_of.get(relation)
        return self._find_sources(relation) if found is None else found

    def _find_sources(self, relation: Relation) -> tuple[EventSource, ...]:
        sources = tuple(source for source in self.sources if source.selects(relation))
        columns = {column.name: column.in_identity for column in relation.columns}
        for source in sources:
            source.check(relation)
            lacking = source.old_values.lacking(relation.replica_identity, columns)
            if lacking is not None:
                raise EnvironmentProblem(
                    f"The projection reads {lacking}, and {relation.qualified_name} does not send "
                    "it of rows that are updated or deleted.",
                    remedy=f"{full_identity(relation)} Changes before that stay as they are: begin "
                    "anew with another source.slot, state.dir and store, and the existing rows.",
                )
        if len(self._sources_of) >= _MAX_RELATIONS:
            self._sources_of.clear()
        self._sources_of[relation] = sources
        return sources

    def _writes(self, event: CdcEvent, happenings: Sequence[Happening]) -> list[Write]:
        for happening in happenings:
            check_text(happening.aggregate_type, "aggregate_type", MAX_NAME)
            check_text(happening.aggregate_id, "aggregate_id", MAX_ID)
            check_text(happening.event_type, "event_type", MAX_NAME)
        origin = _origin(event)
        change = UUID(event.event_id)
        stored = [
            (
                (happening.aggregate_type, happening.aggregate_id),
                NewEvent(
                    happening.event_id or str(uuid5(change, f"{self.name}/{number}")),
                    happening.event_type,
                    happening.version,
                    event.timestamp if happening.timestamp is None else happening.timestamp,
                    happening.data,
                    encode_object({**happening.metadata, **origin}, "metadata"),
                ),
            )
            for number, happening in enumerate(happenings)
        ]
        return [
            Write(aggregate_type, aggregate_id, ANY, tuple(new for _, new in group))
            for (aggregate_type, aggregate_id), group in groupby(stored, key=lambda pair: pair[0])
        ]


def _origin(event: CdcEvent) -> dict[str, str]:
    """Return what every event says about the change that it comes from."""
    origin = {"causation_id": event.event_id, "position": str(event.position)}
    if event.operation is not Operation.MESSAGE:
        origin |= {"table": event.relation.qualified_name, "operation": event.operation.value}
    if event.transaction_id is not None:
        origin["transaction_id"] = event.transaction_id
    return origin
