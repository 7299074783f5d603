"""Rows of outbox tables as messages: what an application wrote is sent as it is.

The names of columns, topics and headers are those of Debezium's outbox event router.
"""

from __future__ import annotations

from collections.abc import Sequence

from bridge.core.events import CdcEvent, Operation, Texts
from bridge.core.relation import Relation
from sinks.kafka.config import OutboxConfig
from sinks.kafka.messages import Message, Refused
from sinks.message_headers import MessageHeaders

_MAX_CACHED = 10_000


class OutboxMessages:
    """One message for each row that is inserted. Updates and deletes are housekeeping."""

    def __init__(self, config: OutboxConfig, *, headers: bool) -> None:
        before, _, after = config.topic.partition("{aggregate_type}")
        self._topic = (before, after) if "{aggregate_type}" in config.topic else (before, None)
        self._columns = (config.aggregate_type, config.aggregate_id, config.payload, config.id)
        self._event_type = config.event_type
        self._headers = MessageHeaders(for_routing=False) if headers else None
        self._places: dict[Relation, tuple[int, ...]] = {}

    def __call__(self, event: CdcEvent, body: str) -> Sequence[Message]:
        row = event.new
        if event.operation not in (Operation.INSERT, Operation.READ) or row is None:
            return ()
        places = self._places.get(event.relation)
        if places is None:
            places = self._find(event.relation)
        aggregate_type, key, payload, id_ = (row[i] for i in places[:4])
        before, after = self._topic
        if after is None:
            topic = before
        elif aggregate_type:
            topic = f"{before}{aggregate_type}{after}"
        else:
            raise Refused(f"The column {self._columns[0]!r}, which chooses the topic, is empty.")
        headers = [] if self._headers is None else self._headers(event)
        headers += self._own_headers(row, places, id_)
        return ((topic, key, payload, headers),)

    def _own_headers(
        self, row: Texts, places: tuple[int, ...], id_: str | None
    ) -> list[tuple[str, str]]:
        found = [("id", id_ or "")]
        if len(places) > 4:
            found.append(("eventType", row[places[4]] or ""))
        return found

    def _find(self, relation: Relation) -> tuple[int, ...]:
        """Return the places of the columns in a row."""
        names = [column.name for column in relation.columns]
        missing = [name for name in self._columns if name not in names]
        if missing:
            raise Refused(
                f"The table {relation.qualified_name} is no outbox: it has no column "
                f"{' and '.join(map(repr, missing))}."
            )
        places = tuple(names.index(name) for name in self._columns)
        if self._event_type in names:
            places += (names.index(self._event_type),)
        if len(self._places) >= _MAX_CACHED:  # tables come and go
            self._places.clear()
        self._places[relation] = places
        return places
