"""The table of a join, of which only a part is in memory.

::

    change ──▶ rows by identity ──▶ the key that it had, and what it is now
                                              │
    event ────────────────────────────────────┴──▶ rows by key ──▶ its row

The server does not say under which key a row was before, nor sends what an update did not touch,
so both are looked up by identity first. A row is in two partitions therefore, and takes twice the
room.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple, TypeAlias

from bridge.core.relation import Relation
from bridge.dataflow.joined_table import Complete
from bridge.dataflow.table_rows import Identity
from bridge.processing.events import Key, StreamEvent, normal_key
from bridge.processing.joins import JoinResult, JoinType, TableJoinStats
from bridge.processing.joins.null_keys import is_null
from bridge.processing.partitions import PartitionMemory
from bridge.processing.partitions.keys import partition_of
from bridge.processing.partitions.spread import Spread
from bridge.processing.watermark import BEGINNING, END

_Stored: TypeAlias = tuple[Identity, Key, Any]
"""A row as it is stored: its identity, the key of the join, and what is kept of it."""


class _Change(NamedTuple):
    """A row as it is from now on.

    Attributes:
        identity: what it is told apart by.
        row: its key and what is kept of it; None if it counts no more.
        relation: its table.
        moved: whether it was told apart by something else before.
        kept: what was kept of it then.
    """

    identity: Identity
    row: tuple[Key, Any] | None
    relation: Relation
    moved: bool = False
    kept: Any = None


class _Changed(NamedTuple):
    """What a change did: the row that was there, and the one that is."""

    identity: Identity
    before: tuple[Key, Any] | None
    after: tuple[Key, Any] | None


class _Placed(NamedTuple):
    """A row under a key: None takes it away."""

    identity: Identity
    key: Key
    value: Any


class PartitionedTable:
    """A ``JoinedTable`` whose rows are in partitions, which need not be in memory.

    Changes and events are gathered until ``flush``, so that each partition is asked for once.
    Results are those of ``TableInMemory``, in the same order. It may be restored from the
    snapshot of one.

    Args:
        name: of the join.
        definition: its type.
        complete: completes what is kept of a row that an update did not send whole.
        memory: which may be shared with other operators.
        state_name: no other operator that shares the memory has it.
    """

    def __init__(
        self,
        name: str,
        definition: JoinType.Table,
        complete: Complete,
        *,
        memory: PartitionMemory,
        state_name: str,
    ) -> None:
        self._name = name
        self._pads = definition.how == "left"
        self._rows = Spread(memory, f"{state_name}/rows", lambda: _RowsByIdentity(complete))
        self._keys = Spread(memory, f"{state_name}/keys", lambda: _RowsByKey(name, self._pads))
        self._steps: list[StreamEvent | None] = []  # None for a change, which is in ``_rows``
        self._told: list[JoinResult] = []
        self._counts = {"events": 0, "null_keys": 0, "table_changes": 0, "results": 0}

    def loaded(self) -> None:
        """Do nothing: whoever gathers rows and events has them in their order."""

    def replace(
        self, before: Identity, identity: Identity, row: StreamEvent | None, relation: Relation
    ) -> None:
        """See ``JoinedTable``."""
        stored = None if row is None else (normal_key(row.key), row.value)
        if before == identity:
            self._change(_Change(identity, stored, relation))
            return
        self._change(_Change(before, None, relation))
        gone = self._look_up()
        assert gone is not None
        if stored is not None:
            kept = None if gone.before is None else gone.before[1]
            self._change(_Change(identity, stored, relation, moved=True, kept=kept))

    def truncate(self, table: str) -> None:
        """See ``JoinedTable``."""
        self._told = self.flush()
        self._counts["table_changes"] += 1
        for spread in (self._rows, self._keys):
            spread.change_all(lambda content: content.truncate(table))

    def process(self, event: StreamEvent) -> list[JoinResult]:
        """Take an event of the stream; its row comes with ``flush``."""
        self._counts["events"] += 1
        self._counts["null_keys"] += is_null(event.key)
        self._steps.append(event)
        return []

    def flush(self) -> list[JoinResult]:
        """Return the rows of all events since the last call."""
        self._look_up()
        told, self._told = self._told, []
        rows = [row for _, row in self._keys.run()]
        self._counts["results"] += len(rows)
        return told + rows

    def get_stats(self) -> TableJoinStats:
        """See ``JoinedTable``; nothing is loaded for it."""
        return TableJoinStats(**self._counts, rows=self._rows.counts()[0])

    def snapshot(self) -> dict[str, Any]:
        """Return where the partitions are, and what was counted; ``flush`` comes before."""
        return {
            "partitions": [self._rows.describe(), self._keys.describe()],
            "counts": dict(self._counts),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a snapshot, also from that of ``TableInMemory``."""
        self._steps, self._told = [], []
        if "partitions" in state:
            self._counts = dict(state["counts"])
            rows, keys = state["partitions"]
            self._rows.restore(rows, BEGINNING)
            self._keys.restore(keys, BEGINNING)
            return
        self._counts = dict(state["join"]["counts"])
        rows, keys = {}, {}
        for identity, key, value in state["rows"]:
            rows.setdefault(partition_of(identity), []).append((identity, key, value))
            keys.setdefault(partition_of(key), []).append((identity, key, value))
        self._rows.load(rows.items(), BEGINNING)
        self._keys.load(keys.items(), BEGINNING)

    def _change(self, change: _Change) -> None:
        self._counts["table_changes"] += 1
        self._steps.append(None)
        self._rows.put(change.identity, change)
        self._rows.end_step(BEGINNING)

    def _look_up(self) -> _Changed | None:
        """Find out what the changes change, and hand all steps on to the keys; return the last."""
        changes = (changed for _, changed in self._rows.run())
        steps, self._steps = self._steps, []
        changed: _Changed | None = None
        for event in steps:
            if event is None:
                changed = next(changes)
                self._place(changed)
            elif not is_null(event.key):
                self._keys.put(event.key, event)
            elif self._pads:
                self._keys.answer(JoinResult(self._name, event.key, event, None))
            self._keys.end_step(BEGINNING)
        return changed

    def _place(self, changed: _Changed) -> None:
        identity, before, after = changed
        if before is not None:
            self._keys.put(before[0], _Placed(identity, before[0], None))
        if after is not None:
            self._keys.put(after[0], _Placed(identity, *after))


class _RowsByIdentity:
    """Rows by what they are told apart by, for ``Spread``."""

    due = END

    def __init__(self, complete: Complete) -> None:
        self._complete = complete
        self._rows: dict[Identity, tuple[Key, Any]] = {}

    def take(self, change: _Change) -> Iterable[_Changed]:
        """Change a row, and return what it was."""
        identity, row, relation, moved, kept = change
        before = self._rows.pop(identity, None)
        if row is not None:
            key, value = row
            if not moved and before is not None:
                kept = before[1]
            if kept is not None:
                value = self._complete(value, kept, relation)
            row = self._rows[identity] = (key, value)
        return (_Changed(identity, before, row),)

    def advance(self, watermark: int, told: Any) -> None:
        """Do nothing: rows do not age."""

    def truncate(self, table: str) -> None:
        """Forget the rows of a table."""
        self._rows = {known: row for known, row in self._rows.items() if known[0] != table}

    def count(self) -> tuple[int]:
        """Return how many rows there are."""
        return (len(self._rows),)

    def dump(self) -> list[_Stored]:
        """Return the rows as plain data."""
        return [(identity, *row) for identity, row in self._rows.items()]

    def load(self, plain: list[_Stored]) -> None:
        """Keep what ``dump`` returned, and nothing else."""
        self._rows = {identity: (normal_key(key), value) for identity, key, value in plain}


class _RowsByKey:
    """Rows by the key that events look for, for ``Spread``; of several, the last one counts."""

    due = END

    def __init__(self, name: str, pads: bool) -> None:
        self._name = name
        self._pads = pads
        self._of_key: dict[Key, dict[Identity, Any]] = {}  # in the order of their changes

    def take(self, item: StreamEvent | _Placed) -> Iterable[JoinResult]:
        """Put a row in its place or take it away, or return what an event finds."""
        if isinstance(item, _Placed):
            self._put(item)
            return ()
        rows = self._of_key.get(normal_key(item.key))
        if rows is None and not self._pads:
            return ()
        right = None if rows is None else item._replace(value=rows[next(reversed(rows))])
        return (JoinResult(self._name, item.key, item, right),)

    def advance(self, watermark: int, told: Any) -> None:
        """Do nothing: rows do not age."""

    def truncate(self, table: str) -> None:
        """Forget the rows of a table."""
        for identity, key, _ in self.dump():
            if identity[0] == table:
                self._put(_Placed(identity, key, None))

    def count(self) -> tuple[int]:
        """Return how many keys there are."""
        return (len(self._of_key),)

    def dump(self) -> list[_Stored]:
        """Return the rows as plain data, in an order that keeps which one counts."""
        return [
            (identity, key, value)
            for key, rows in self._of_key.items()
            for identity, value in rows.items()
        ]

    def load(self, plain: list[_Stored]) -> None:
        """Keep what ``dump`` returned, and nothing else."""
        self._of_key = {}
        for identity, key, value in plain:
            self._put(_Placed(identity, key, value))

    def _put(self, placed: _Placed) -> None:
        identity, key, value = placed
        key = normal_key(key)
        if value is not None:
            self._of_key.setdefault(key, {})[identity] = value
            return
        rows = self._of_key[key]
        del rows[identity]
        if not rows:
            del self._of_key[key]
