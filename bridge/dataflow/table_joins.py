"""Joins with a table as processors: the table is kept from the same stream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from bridge.config.inputs import COMMIT_TIME, InputConfig
from bridge.config.processors import ProcessorConfig
from bridge.core.errors import ConfigError
from bridge.core.events import CdcEvent, Operation
from bridge.core.relation import Relation
from bridge.dataflow.fingerprint import state_name_of
from bridge.dataflow.inputs import sequence_of
from bridge.dataflow.join_sides import JoinOutput, KeyKinds, Select, check_sides, make_side
from bridge.dataflow.places import at_place
from bridge.dataflow.rejections import Rejections
from bridge.dataflow.rows import with_missing
from bridge.dataflow.table_rows import Identity, TableRows
from bridge.processing.joins import JoinResult, TableJoin
from bridge.processing.joins.null_keys import is_null
from bridge.processing.state.results import Result

_ROW_CHANGES: Final = (Operation.READ, Operation.INSERT, Operation.UPDATE)


def make_table_join(config: ProcessorConfig, place: str) -> TableJoinDataflow:
    """Return the dataflow of a processor with a join of the type ``table``.

    Args:
        config: its definition.
        place: of the definition, for errors.

    Raises:
        ConfigError: with the place of the setting that is wrong.
    """
    left, right = check_sides(config, place)
    if right.operations is not None:
        raise ConfigError(
            f"{place}.right.operations: the table is kept from all of its changes.",
            remedy="Leave operations out, or use a join of the type as_of.",
        )
    for name, side in (("left", left), ("right", right)):
        if side.time != COMMIT_TIME:
            raise ConfigError(
                f"{place}.{name}.time: a join with a table goes by the order of commits.",
                remedy="Leave time out.",
            )
    if left.operations is not None and "read" in left.operations:
        raise ConfigError(
            f"{place}.left.operations: existing rows (read) come before the table is complete.",
            remedy="Leave read out.",
        )
    return TableJoinDataflow(
        config,
        place,
        replace(left, operations=left.operations or ("insert",)),
        replace(right, operations=("read", "insert", "update")),
    )


class TableJoinDataflow:
    """Keeps a table from its changes, and gives each event the row that the table has then.

    The rows that exist come first, as Read events; the first event of another kind says that all
    of them are there. An event of a table that is on both sides changes the table first.

    Args:
        config: the definition.
        place: of it, for errors.
        left: the stream.
        right: the table.

    Attributes:
        name: as in ``Dataflow``, and so are the others.
        needs_rows: patterns of the tables whose rows have to come first, when there is no state.

    Raises:
        ConfigError: with the place of the setting that is wrong.
    """

    def __init__(
        self, config: ProcessorConfig, place: str, left: InputConfig, right: InputConfig
    ) -> None:
        assert config.join is not None
        self.name = config.name
        self.state_name = state_name_of(config)
        self.sinks = config.to
        self.needs_rows = right.tables
        select = Select(config.select, place)
        self._place = place
        self._left = make_side(config, left, "left", place, select)
        self._right = make_side(config, right, "right", place, select)
        self._kinds = KeyKinds(place, len(left.key))
        self._output = JoinOutput(
            processor=config.name, aliases=self._left.aliases, select=select, sinks=config.to
        )
        self._join = TableJoin("left" if config.join.how == "left" else "inner", name=config.name)
        self._rows = TableRows(self._join.table_changed)
        self._rejections = Rejections()

    def process(self, events: Sequence[CdcEvent]) -> list[Result]:
        """Take events in, as ``Dataflow`` says."""
        rows: list[JoinResult] = []
        for event in events:
            self._process(event, rows)
        return [self._output.write(row) for row in rows]

    def _process(self, event: CdcEvent, rows: list[JoinResult]) -> None:
        if event.operation is not Operation.READ:
            self._join.loaded()
        rejected: list[tuple[CdcEvent, str]] = []
        sequence = sequence_of(event)
        if self._right.selects(event.relation):
            self._change(event, sequence, rejected)
        for left in self._left.read(event, sequence, rejected):
            self._kinds.check("left", left.key)
            rows += self._join.process(left)
        self._rejections.add(rejected)

    def _change(self, event: CdcEvent, sequence: int, rejected: list[tuple[CdcEvent, str]]) -> None:
        """Let an event change the table."""
        operation, relation = event.operation, event.relation
        if operation is Operation.TRUNCATE:
            self._rows.truncate(relation.qualified_name)
        elif operation is Operation.DELETE:
            self._rows.remove(self._identity(relation, event.row_id))
        elif operation in _ROW_CHANGES:
            identity = self._identity(relation, event.row_id)
            old_id = None if event.old is None else relation.row_id(event.old)
            before = identity if old_id is None else self._identity(relation, old_id)
            kept = self._rows.get(before)
            changes = self._right.read(event, sequence, rejected)
            self._rows.remove(before)
            for row in changes:
                if not is_null(row.key):
                    self._kinds.check("right", row.key)
                    value = _completed(row.value, kept, relation)
                    self._rows.put(identity, row.key, value)

    def _identity(self, relation: Relation, row_id: str | None) -> Identity:
        if row_id is None:
            with at_place(f"{self._place}.right.tables"):
                raise ConfigError(
                    f"{relation.qualified_name} has no key that tells its rows apart.",
                    remedy="Give the table a primary key.",
                )
        return relation.qualified_name, row_id

    def advance(self, now: int) -> list[Result]:
        """Return nothing: a join with a table does not wait for time."""
        return []

    def take_rejected(self) -> list[tuple[CdcEvent, str]]:
        """Return the events without a value, as ``Dataflow`` says."""
        return self._rejections.take()

    def snapshot(self) -> Any:
        """Return the state, as ``Dataflow`` says."""
        return {
            "rejected": self._rejections.count,
            "rows": self._rows.snapshot(),
            "join": {**self._join.snapshot(), "rows": []},  # they are in ``rows``
        }

    def restore(self, state: Any) -> None:
        """Go on from a snapshot, as ``Dataflow`` says."""
        self._rejections.restore(state["rejected"])
        self._rows.restore(state["rows"])
        self._join.restore({**state["join"], "rows": self._rows.counting()})

    def stats(self) -> Mapping[str, int]:
        """Return figures of the stream, and how many rows of the table are kept."""
        stats = self._join.get_stats()
        return {
            "events": stats.events,
            "null_keys": stats.null_keys,
            "rejected": self._rejections.count,
            "kept": len(self._rows),
            "results": stats.results,
        }


def _completed(value: Any, kept: Any | None, relation: Relation) -> Any:
    """Return what is kept of a row, with what was not sent taken from what was kept before.

    The server leaves out large values that an update did not touch.
    """
    if kept is None:
        return value
    if isinstance(value, str):
        return with_missing(value, kept, [column.name for column in relation.columns])
    pieces = zip(value, kept, strict=True)
    return tuple(before if piece is None else piece for piece, before in pieces)
