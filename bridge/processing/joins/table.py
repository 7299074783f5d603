"""A stream joined with a table that is kept from the same replication slot."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias, get_args

from bridge.processing.events import Key, StreamEvent, normal_key
from bridge.processing.joins.errors import TableNotLoaded, refuse_retraction
from bridge.processing.joins.how import check_how
from bridge.processing.joins.null_keys import is_null
from bridge.processing.joins.result import JoinResult
from bridge.processing.joins.stats import TableJoinStats

TableHow: TypeAlias = Literal["inner", "left"]


class TableJoin:
    """Joins each event to the row that the table has under its key at that position of the stream.

    The order that counts is that of the calls, which has to be the order of commits: changes of
    the table and events of the stream come from one slot, in one order. There is no watermark and
    no event is late: the timestamp of an event does not matter, and a later change of the table
    does not change a row that is out. A change of the table alone gives no row.

    The table has to be loaded first: ``table_changed`` with each row as of a position of the slot,
    then ``loaded``; from then on changes and events from that position on.

    The right side of a result is the row as an event of its own, with the key, the timestamp and
    the sequence of the left one.

    *A key that is NULL*, or a tuple with a NULL in it, joins nothing: with ``left`` such an event
    gives its row with None on the right, and a row of the table under such a key is not kept.

    *Memory* holds one row for each key of the table. Where rows share a key, the last one counts.

    Args:
        how: ``inner``, or ``left`` for events without a row too.
        name: stands in each result and in its id.

    Raises:
        ConfigError: ``how`` is unknown.
    """

    def __init__(self, how: TableHow = "inner", *, name: str = "join") -> None:
        check_how(name, how, get_args(TableHow))
        self.name = name
        self._pads = how == "left"
        self._rows: dict[Key, Any] = {}
        self._loaded = False
        self._counts = {"events": 0, "null_keys": 0, "table_changes": 0, "results": 0}

    def table_changed(self, key: Key, row: Any | None) -> None:
        """Take a row of the table as it is from now on.

        A row that gets another key is two changes: None under the old key, the row under the new.

        Args:
            key: what events find the row by.
            row: None if the row is gone.
        """
        self._counts["table_changes"] += 1
        if is_null(key):
            return
        key = normal_key(key)
        if row is None:
            self._rows.pop(key, None)
        else:
            self._rows[key] = row

    def table_truncated(self) -> None:
        """Forget all rows, as TRUNCATE does."""
        self._counts["table_changes"] += 1
        self._rows.clear()

    def loaded(self) -> None:
        """Take note that every row of the table is there: events may come."""
        self._loaded = True

    def process(self, event: StreamEvent) -> list[JoinResult]:
        """Take an event of the stream; return its row, if it has one.

        Raises:
            TableNotLoaded: ``loaded`` was not called before.
            RetractionRefused: the weight of the event is not 1.
        """
        if not self._loaded:
            raise TableNotLoaded(
                f"The join {self.name!r} was given an event before its table was loaded.",
                remedy="Give table_changed every row as of a position of the slot, call loaded, "
                "and only then process the events from that position on.",
            )
        refuse_retraction(self.name, event)
        self._counts["events"] += 1
        row = None
        if is_null(event.key):
            self._counts["null_keys"] += 1
        else:
            row = self._rows.get(normal_key(event.key))
        if row is None and not self._pads:
            return []
        right = None if row is None else event._replace(value=row)
        self._counts["results"] += 1
        return [JoinResult(self.name, event.key, event, right)]

    def get_stats(self) -> TableJoinStats:
        """Return what was counted since the start, and how many rows the table has now."""
        return TableJoinStats(**self._counts, rows=len(self._rows))

    def snapshot(self) -> dict[str, Any]:
        """Return the state as plain data."""
        return {
            "rows": list(self._rows.items()),
            "loaded": self._loaded,
            "counts": dict(self._counts),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what ``snapshot`` of a join with the same settings returned."""
        self._rows = {normal_key(key): row for key, row in state["rows"]}
        self._loaded = state["loaded"]
        self._counts = dict(state["counts"])
