"""Joins with a table as processors: the table is kept from the same stream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from bridge.config.inputs import COMMIT_TIME, RowOperation
from bridge.config.processors import ProcessorConfig
from bridge.core.errors import ConfigError
from bridge.core.events import CdcEvent, Operation
from bridge.core.relation import Relation
from bridge.dataflow.fingerprint import state_name_of
from bridge.dataflow.inputs import sequence_of
from bridge.dataflow.join_output import JoinOutput, JoinParts, Select
from bridge.dataflow.join_sides import KeyKinds, check_sides, make_side
from bridge.dataflow.joined_table import Complete, JoinedTable, TableInMemory
from bridge.dataflow.partitioned_table import PartitionedTable
from bridge.dataflow.places import at_place
from bridge.dataflow.rejections import Rejections
from bridge.dataflow.rows import with_missing
from bridge.dataflow.table_rows import Identity
from bridge.processing.joins import JoinResult, JoinType
from bridge.processing.joins.null_keys import is_null
from bridge.processing.partitions import PartitionMemory
from bridge.processing.state.results import Result

_ROW_CHANGES: Final = (Operation.READ, Operation.INSERT, Operation.UPDATE)

TABLE_OPERATIONS: Final[tuple[RowOperation, ...]] = ("read", "insert", "update")
"""Those that bring a row of the table. Others take rows away, whatever the definition says."""


def make_table_join(
    config: ProcessorConfig, place: str, memory: PartitionMemory | None = None
) -> TableJoinDataflow:
    """Return the dataflow of a processor with a join of the type ``table``.

    Args:
        config: its definition.
        place: of the definition, for errors.
        memory: for the table; None to keep all of it.

    Raises:
        ConfigError: with the place of the setting that is wrong.
    """
    left, right = check_sides(config, place)
    check_table_sides(
        place,
        operations=(left.operations, right.operations),
        by_commits=(left.time == COMMIT_TIME, right.time == COMMIT_TIME),
    )
    left = replace(left, operations=left.operations or ("insert",))
    right = replace(right, operations=TABLE_OPERATIONS)
    select = Select(config.select, place)
    parts = JoinParts(
        name=config.name,
        state_name=state_name_of(config),
        place=place,
        left=make_side(config, left, "left", place, select),
        right=make_side(config, right, "right", place, select),
        members=select.members,
        sinks=config.to,
    )
    assert config.join is not None
    how = JoinType.Table("left" if config.join.how == "left" else "inner")
    table = make_table(parts, how, _completed, memory)
    return TableJoinDataflow(parts, table, needs_rows=right.tables)


def make_table(
    parts: JoinParts,
    definition: JoinType.Table,
    complete: Complete,
    memory: PartitionMemory | None,
) -> JoinedTable:
    """Return the table of a join, in partitions or in one piece if there is no limit.

    Args:
        parts: of the join.
        definition: its type.
        complete: completes what is kept of a row that an update did not send whole.
        memory: which limits it; None for no limit.
    """
    if memory is None:
        return TableInMemory(parts.name, definition, complete)
    return PartitionedTable(
        parts.name, definition, complete, memory=memory, state_name=parts.state_name
    )


def check_table_sides(
    place: str,
    *,
    operations: tuple[Sequence[str] | None, Sequence[str] | None],
    by_commits: tuple[bool, bool],
) -> None:
    """Check the settings of the left side and the right one of a join with a table.

    Args:
        place: of the definition, for errors.
        operations: of both sides; None for the default.
        by_commits: whether the time of each side is that of commits.

    Raises:
        ConfigError: with the place of the setting that is wrong.
    """
    left, right = operations
    if right is not None:
        raise ConfigError(
            f"{place}.right.operations: the table is kept from all of its changes.",
            remedy="Leave operations out, or use a join of the type as_of.",
        )
    for side, by_commit in zip(("left", "right"), by_commits, strict=True):
        if not by_commit:
            raise ConfigError(
                f"{place}.{side}.time: a join with a table goes by the order of commits.",
                remedy="Leave time out.",
            )
    if left is not None and "read" in left:
        raise ConfigError(
            f"{place}.left.operations: existing rows (read) come before the table is complete.",
            remedy="Leave read out.",
        )


class TableJoinDataflow:
    """Keeps a table from its changes, and gives each event the row that the table has then.

    The rows that exist come first, as Read events; the first event of another kind says that all
    of them are there. An event of a table that is on both sides changes the table first.

    Args:
        parts: of the join.
        table: which keeps the rows.
        needs_rows: patterns of the tables whose rows have to come first, when there is no state.

    Attributes:
        name: as in ``Dataflow``, and so are the others.
    """

    def __init__(
        self, parts: JoinParts, table: JoinedTable, *, needs_rows: tuple[str, ...]
    ) -> None:
        self.name = parts.name
        self.state_name = parts.state_name
        self.sinks = parts.sinks
        self.inputs = (parts.left, parts.right)
        self.needs_rows = needs_rows
        self._place = parts.place
        self._left = parts.left
        self._right = parts.right
        self._kinds = KeyKinds(parts.place, len(parts.left.aliases))
        self._output = JoinOutput(parts)
        self._table = table
        self._rejections = Rejections()

    def process(self, events: Sequence[CdcEvent]) -> list[Result]:
        """Take events in, as ``Dataflow`` says."""
        rows: list[JoinResult] = []
        for event in events:
            self._process(event, rows)
        return self._output.write(rows + self._table.flush())

    def _process(self, event: CdcEvent, rows: list[JoinResult]) -> None:
        if event.operation is not Operation.READ:
            self._table.loaded()
        rejected: list[tuple[CdcEvent, str]] = []
        sequence = sequence_of(event)
        if self._right.selects(event.relation):
            self._change(event, sequence, rejected)
        for left in self._left.read(event, sequence, rejected):
            self._kinds.check("left", left.key)
            rows += self._table.process(left)
        self._rejections.add(rejected)

    def _change(self, event: CdcEvent, sequence: int, rejected: list[tuple[CdcEvent, str]]) -> None:
        """Let an event change the table."""
        operation, relation = event.operation, event.relation
        if operation is Operation.TRUNCATE:
            self._table.truncate(relation.qualified_name)
        elif operation is Operation.DELETE:
            identity = self._identity(relation, event.row_id)
            self._table.replace(identity, identity, None, relation)
        elif operation in _ROW_CHANGES:
            identity = self._identity(relation, event.row_id)
            old_id = None if event.old is None else relation.row_id(event.old)
            before = identity if old_id is None else self._identity(relation, old_id)
            rows = self._right.read(event, sequence, rejected)
            row = next((row for row in rows if not is_null(row.key)), None)
            if row is not None:
                self._kinds.check("right", row.key)
            self._table.replace(before, identity, row, relation)

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
        return {"rejected": self._rejections.count, **self._table.snapshot()}

    def restore(self, state: Any) -> None:
        """Go on from a snapshot, as ``Dataflow`` says."""
        self._rejections.restore(state["rejected"])
        self._table.restore(state)

    def stats(self) -> Mapping[str, int]:
        """Return figures of the stream, and how many rows of the table are kept."""
        stats = self._table.get_stats()
        return {
            "events": stats.events,
            "null_keys": stats.null_keys,
            "rejected": self._rejections.count,
            "kept": stats.rows,
            "results": stats.results,
        }


def _completed(value: Any, kept: Any, relation: Relation) -> Any:
    """Complete what a definition in SQL keeps."""
    if isinstance(value, str):
        return with_missing(value, kept, [column.name for column in relation.columns])
    pieces = zip(value, kept, strict=True)
    return tuple(before if piece is None else piece for piece, before in pieces)
