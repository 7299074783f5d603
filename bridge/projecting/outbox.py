"""Outbox tables: the application writes its events itself, in the transaction of its changes.

Insert and delete may stand in the same transaction: the table stays empty, and the WAL has the
insert. Nothing but inserts counts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from bridge.config.projections import OutboxConfig
from bridge.core.errors import ConfigError
from bridge.core.events import CdcEvent, Operation
from bridge.core.relation import Relation
from bridge.core.table_patterns import TablePattern
from bridge.core.values import document_json
from bridge.eventsourcing.emitted import read_object
from bridge.expressions.names import nearest
from bridge.projecting.happening import Happening, OldValues, Rejection

_SETTINGS: Final = ("id", "aggregate_type", "aggregate_id", "event_type", "payload", "version")
_COUNT: Final = re.compile(r"[1-9][0-9]{0,8}")
_MAX_RELATIONS: Final = 1000


class OutboxEvents:
    """The events of one outbox table.

    Args:
        config: the definition.
        place: of the definition, for errors.
    """

    def __init__(self, config: OutboxConfig, place: str) -> None:
        self._place = place
        self._pattern = TablePattern.parse(config.table, setting=f"{place}.table")
        self._columns: dict[str, str] = {
            setting: name for setting in _SETTINGS if (name := getattr(config, setting))
        }
        self.tables: Sequence[str] = (config.table,)
        self.old_values = OldValues(frozenset(), None)
        self._indexes: dict[Relation, dict[str, int]] = {}

    def selects(self, relation: Relation) -> bool:
        """See ``EventSource``."""
        schema, table = relation.schema, relation.table
        return schema is not None and table is not None and self._pattern.matches(schema, table)

    def check(self, relation: Relation) -> None:
        """See ``EventSource``."""
        names = [column.name for column in relation.columns]
        for setting, name in self._columns.items():
            if name not in names:
                raise ConfigError(
                    f"{self._place}.{setting}: {relation.qualified_name} has no column "
                    f"{name}{nearest(name, names)}.",
                    remedy="Name the column that has it.",
                )
        if len(self._indexes) >= _MAX_RELATIONS:
            self._indexes.clear()
        self._indexes[relation] = {
            setting: names.index(name) for setting, name in self._columns.items()
        }

    def project(self, event: CdcEvent) -> list[Happening]:
        """See ``EventSource``."""
        if event.operation not in (Operation.INSERT, Operation.READ):
            return []
        if event.relation not in self._indexes:
            self.check(event.relation)
        assert event.new is not None
        found = {setting: event.new[i] for setting, i in self._indexes[event.relation].items()}
        texts = {setting: text for setting, text in found.items() if text}
        for setting, name in self._columns.items():
            if setting not in texts:
                raise Rejection(f"column {name} is empty")
        version = texts.get("version", "1")
        if not _COUNT.fullmatch(version):
            raise Rejection(f"column {self._columns['version']} is no number from 1 on")
        payload = document_json(texts["payload"])
        read_object(payload, f"Column {self._columns['payload']}")  # its text stays as it is
        return [
            Happening(
                texts["aggregate_type"],
                texts["aggregate_id"],
                texts["event_type"],
                int(version),
                payload,
                event_id=self._event_id(texts["id"]),
            )
        ]

    def _event_id(self, text: str) -> str:
        try:
            return str(UUID(text))
        except ValueError:
            raise Rejection(f"column {self._columns['id']} is no UUID") from None
