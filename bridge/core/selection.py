"""What one sink gets of the stream: which events, and which of their columns under which names.

What depends on the table alone is worked out once for each relation. An event in which nothing
changes stays the same object, and a batch in which nothing changes the same batch, so that what
was encoded for one sink serves the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import Any, TypeAlias, TypeVar

from bridge.core.errors import BridgeError, ConfigError
from bridge.core.events import (
    ABSENT,
    GAP_PREFIX,
    CdcEvent,
    EventBatch,
    Operation,
    PartialRow,
    Texts,
    TruncateEvent,
)
from bridge.core.relation import Relation
from bridge.core.table_patterns import TablePattern

T = TypeVar("T")

Condition: TypeAlias = Callable[[CdcEvent], bool | None]
"""Says of the event as it came whether it is wanted; None where that is unknown."""

Reshape: TypeAlias = Callable[[CdcEvent], CdcEvent]

Refuse: TypeAlias = Callable[[CdcEvent, str], None]
"""Takes an event of which nobody can say whether it is wanted, and why, without row values."""


class Undecided(BridgeError):
    """A condition has no answer for this event, such as after a division by zero."""


_KNOWN_RELATIONS = 1000
"""A reconnect and every change of a table bring new relations: old ones have to go some time."""


class Filter:
    """Selects events.

    A logical message belongs to no table: where ``tables`` are given, it is selected only if
    ``operations`` name it. An event of which a condition is unknown is left out, as in SQL, except
    a TRUNCATE: it has no row, and it concerns those that were selected. The bridge's own news of a
    gap is always selected.

    Args:
        tables: patterns; None for every table.
        operations: None for every operation.
        conditions: all of them have to hold.
    """

    def __init__(
        self,
        *,
        tables: Sequence[TablePattern] | None = None,
        operations: Iterable[Operation] | None = None,
        conditions: Sequence[Condition] = (),
    ) -> None:
        self._tables = tables
        self._named = None if operations is None else frozenset(operations)
        self._conditions = tuple(conditions)
        self._wanted: dict[Relation, frozenset[Operation]] = {}

    def apply(self, batch: EventBatch, refuse: Refuse | None = None) -> EventBatch:
        """Return the batch without the events that are not selected, and with all its commits.

        Args:
            batch: as it came.
            refuse: called for each event that a condition cannot decide on, which is left out.

        Raises:
            Undecided: there is such an event, and no ``refuse``.
        """
        wanted, conditions = self._wanted, self._conditions
        kept: list[CdcEvent] = []
        for event in batch.events:
            operations = wanted.get(event.relation)
            if operations is None:
                operations = self._operations_of(event.relation)
            if event.operation in operations:
                if not conditions or self._holds(event, refuse):
                    kept.append(event)
            elif _is_gap(event):
                kept.append(event)
        if len(kept) == len(batch):
            return batch
        return EventBatch(kept, batch.commits, batch.size_bytes * len(kept) // len(batch))

    def _holds(self, event: CdcEvent, refuse: Refuse | None) -> bool:
        unknown = event.operation is Operation.TRUNCATE
        for condition in self._conditions:
            try:
                held = condition(event)
            except Undecided as error:
                if refuse is None:
                    raise
                refuse(event, error.message)
                return False
            if not held and (held is not None or not unknown):
                return _is_gap(event)
        return True

    def _operations_of(self, relation: Relation) -> frozenset[Operation]:
        named, schema, table = self._named, relation.schema, relation.table
        operations = frozenset(Operation) if named is None else named
        if self._tables is not None:
            if schema is None or table is None:
                operations = frozenset() if named is None else named
            elif not any(pattern.matches(schema, table) for pattern in self._tables):
                operations = frozenset()
        return _remember(self._wanted, relation, operations)


def _is_gap(event: CdcEvent) -> bool:
    row = event.new
    return event.operation is Operation.MESSAGE and row is not None and row[0] == GAP_PREFIX


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Which columns of some tables are kept; those of the key always are.

    Attributes:
        tables: which tables.
        names: of columns.
        exclude: whether these are left out, instead of all others.
    """

    tables: TablePattern
    names: frozenset[str]
    exclude: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Renaming:
    """New names of columns.

    Attributes:
        tables: which tables.
        names: old name to new name.
    """

    tables: TablePattern
    names: Mapping[str, str]


class Shape:
    """Leaves out columns and renames others. The first entry that covers a table counts.

    Args:
        columns: which columns stay.
        renamings: how they are called.
        unknown: called with a relation and the columns that it lacks although the configuration
            names them with just this table.
    """

    def __init__(
        self,
        columns: Sequence[Columns] = (),
        renamings: Sequence[Renaming] = (),
        *,
        unknown: Callable[[Relation, Sequence[str]], None] = lambda relation, names: None,
    ) -> None:
        self._columns = columns
        self._renamings = renamings
        self._unknown = unknown
        self._reshape: dict[Relation, Reshape | None] = {}

    def apply(self, batch: EventBatch) -> EventBatch:
        """Return the batch with every event in its new shape.

        Raises:
            ConfigError: a table gets two columns with the same name.
        """
        known = self._reshape
        changed = False
        events: list[CdcEvent] = []
        for event in batch.events:
            try:
                reshape = known[event.relation]
            except KeyError:
                reshape = self._function_for(event.relation)
            if reshape is None:
                events.append(event)
            else:
                changed = True
                events.append(reshape(event))
        return EventBatch(events, batch.commits, batch.size_bytes) if changed else batch

    def _function_for(self, relation: Relation) -> Reshape | None:
        """Return what changes an event of the relation; None if nothing does."""
        kept, shaped = self._derive(relation)
        reshape = None if shaped is relation else _reshaper(relation, kept, shaped)
        return _remember(self._reshape, relation, reshape)

    def _derive(self, relation: Relation) -> tuple[list[int], Relation]:
        """Return the columns that stay, by number, and the relation that they make up."""
        columns = relation.columns
        everything = list(range(len(columns)))
        choice = _first_covering(self._columns, relation)
        renaming = _first_covering(self._renamings, relation)
        kept = everything
        if choice is not None:
            self._complain(relation, choice.tables, choice.names)
            kept = [
                i
                for i, column in enumerate(columns)
                if (column.name in choice.names) is not choice.exclude or i in relation.key
            ]
        names: Mapping[str, str] = {}
        if renaming is not None:
            self._complain(relation, renaming.tables, renaming.names)
            names = renaming.names
        new_names = [names.get(columns[i].name, columns[i].name) for i in kept]
        if kept == everything and new_names == [column.name for column in columns]:
            return kept, relation
        twice = sorted({name for name in new_names if new_names.count(name) > 1})
        if twice:
            raise ConfigError(
                f"After rename, {relation.qualified_name} has two columns called {twice[0]!r}.",
                remedy="Choose another name, or leave the other column out with columns.",
            )
        shaped = Relation(
            oid=relation.oid,
            schema=relation.schema,
            table=relation.table,
            replica_identity=relation.replica_identity,
            columns=tuple(
                replace(columns[i], name=name) for i, name in zip(kept, new_names, strict=True)
            ),
            primary_key=tuple(new_names[kept.index(i)] for i in relation.key),
        )
        return kept, shaped

    def _complain(self, relation: Relation, pattern: TablePattern, names: Iterable[str]) -> None:
        if pattern.names_one:
            existing = {column.name for column in relation.columns}
            missing = sorted(set(names) - existing)
            if missing:
                self._unknown(relation, missing)


def _reshaper(relation: Relation, kept: list[int], shaped: Relation) -> Reshape:
    take = _as_it_is if len(kept) == len(relation.columns) else _picker(kept)

    def reshape(event: CdcEvent) -> CdcEvent:
        if type(event) is TruncateEvent:
            return TruncateEvent.of(
                event.transaction, event.ordinal, event.lsn, shaped, event.options
            )
        new, old = event.new, event.old
        return CdcEvent(
            event.transaction,
            event.ordinal,
            event.lsn,
            event.operation,
            shaped,
            None if new is None else take(new),
            None if old is None else take(old),
        )

    return reshape


def _as_it_is(row: Texts) -> Texts:
    return row


def _picker(kept: list[int]) -> Callable[[Texts], Texts]:
    """Return the function that takes the kept columns out of a row."""
    pick: Callable[[Texts], Texts]
    if len(kept) > 1:
        pick = itemgetter(*kept)
    else:

        def pick(row: Texts) -> Texts:
            return tuple(row[i] for i in kept)

    def take(row: Texts) -> Texts:
        picked = pick(row)
        # What was not sent may be among the columns that are left out: then the row is complete.
        if type(row) is PartialRow and any(text is ABSENT for text in picked):
            return PartialRow(picked)
        return picked

    return take


@dataclass(frozen=True, slots=True)
class Selection:
    """Both, in the order that lets conditions see the row as it came.

    Attributes:
        filter: which events; None for all.
        shape: which columns; None for all under their own names.
    """

    filter: Filter | None = None
    shape: Shape | None = None

    def apply(self, batch: EventBatch, refuse: Refuse | None = None) -> EventBatch:
        """Return what the sink gets of the batch; the batch itself if that is all of it.

        Args:
            batch: as it came.
            refuse: see ``Filter.apply``.

        Raises:
            ConfigError: the names of columns clash.
            Undecided: see ``Filter.apply``.
        """
        if self.filter is not None:
            batch = self.filter.apply(batch, refuse)
        if self.shape is not None:
            batch = self.shape.apply(batch)
        return batch


def _first_covering(entries: Sequence[Any], relation: Relation) -> Any:
    schema, table = relation.schema, relation.table
    if schema is None or table is None:
        return None
    return next((entry for entry in entries if entry.tables.matches(schema, table)), None)


def _remember(known: dict[Relation, T], relation: Relation, found: T) -> T:
    if len(known) >= _KNOWN_RELATIONS:
        known.clear()
    known[relation] = found
    return found
