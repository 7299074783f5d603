"""The table of a join, kept from its changes, and what events find in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol, TypeAlias

from bridge.core.relation import Relation
from bridge.dataflow.table_rows import Identity, TableRows
from bridge.processing.events import StreamEvent
from bridge.processing.joins import JoinResult, JoinType, TableJoin, TableJoinStats
from bridge.processing.state.one_piece import check_in_one_piece

Complete: TypeAlias = Callable[[Any, Any, Relation], Any]
"""Returns what is kept of a row, with what was not sent taken from what was kept of it before.

The server leaves out large values that an update did not touch.
"""


class JoinedTable(Protocol):
    """A table and the stream that is joined to it, in the order of the calls."""

    def loaded(self) -> None:
        """Take note that every row of the table is there: events may come."""

    def replace(
        self, before: Identity, identity: Identity, row: StreamEvent | None, relation: Relation
    ) -> None:
        """Take a row as it is from now on.

        Args:
            before: what it was told apart by until now.
            identity: what it is told apart by from now on.
            row: its key and what is kept of it; None if it counts no more.
            relation: its table.
        """

    def truncate(self, table: str) -> None:
        """Forget the rows of a table."""

    def process(self, event: StreamEvent) -> list[JoinResult]:
        """Take an event of the stream, and return its rows."""

    def flush(self) -> list[JoinResult]:
        """Return the rows of events that did not come with them."""

    def get_stats(self) -> TableJoinStats:
        """Return figures; the rows that are kept, not only those that count."""

    def snapshot(self) -> dict[str, Any]:
        """Return the state as plain data; ``flush`` comes before."""

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a snapshot."""


class TableInMemory:
    """A joined table that is in memory as a whole.

    Args:
        name: of the join.
        definition: its type.
        complete: completes what is kept of a row that an update did not send whole.
    """

    def __init__(self, name: str, definition: JoinType.Table, complete: Complete) -> None:
        self._name = name
        self._complete = complete
        self._join = TableJoin(definition.how, name=name)
        self._rows = TableRows(self._join.table_changed)

    def loaded(self) -> None:
        """See ``JoinedTable``."""
        self._join.loaded()

    def replace(
        self, before: Identity, identity: Identity, row: StreamEvent | None, relation: Relation
    ) -> None:
        """See ``JoinedTable``."""
        kept = self._rows.get(before)
        self._rows.remove(before)
        if row is not None:
            value = row.value if kept is None else self._complete(row.value, kept, relation)
            self._rows.put(identity, row.key, value)

    def truncate(self, table: str) -> None:
        """See ``JoinedTable``."""
        self._rows.truncate(table)

    def process(self, event: StreamEvent) -> list[JoinResult]:
        """See ``JoinedTable``."""
        return self._join.process(event)

    def flush(self) -> list[JoinResult]:
        """Return nothing: each event came with its rows."""
        return []

    def get_stats(self) -> TableJoinStats:
        """See ``JoinedTable``."""
        return replace(self._join.get_stats(), rows=len(self._rows))

    def snapshot(self) -> dict[str, Any]:
        """See ``JoinedTable``."""
        return {
            "rows": self._rows.snapshot(),
            "join": {**self._join.snapshot(), "rows": []},  # they are in ``rows``
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a snapshot.

        Raises:
            EnvironmentProblem: it is that of a table in partitions, and holds no rows.
        """
        check_in_one_piece(f"join {self._name!r}", state)
        self._rows.restore(state["rows"])
        self._join.restore({**state["join"], "rows": self._rows.counting()})
