"""From changes of tables to the keyed events that operators take."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from bridge.config.inputs import COMMIT_TIME, PROCESSING_TIME, InputConfig
from bridge.core.errors import ConfigError, EnvironmentProblem
from bridge.core.events import CdcEvent, Operation, PartialRow, Texts
from bridge.core.relation import Relation, ReplicaIdentity
from bridge.core.table_patterns import TablePattern
from bridge.dataflow.changelog import check_repeatable, full_identity
from bridge.dataflow.places import at_place
from bridge.expressions import Condition, EvaluationError, Expression
from bridge.expressions.operands import Moment
from bridge.processing.events import StreamEvent

Mode: TypeAlias = Literal["append", "changelog"]
Rejected: TypeAlias = "list[tuple[CdcEvent, str]]"
Read: TypeAlias = Callable[[CdcEvent], Any]

APPENDED: Final = ("insert", "read")
"""The operations of append mode, if none are named: rows that are new to the processor."""
CHANGES: Final = ("insert", "update", "delete", "read")
"""Those of changelog mode."""

_MAX_RELATIONS: Final = 1000


class Rejection(Exception):
    """An event has no value; the message says why, without values of the row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How an input reads a change.

    Attributes:
        tables: patterns.
        operations: which changes.
        where: whether a change counts; None (unknown) is no.
        key: name in results to what reads it.
        time: reads microseconds since the Unix epoch; None for commit time.
        processing_time: whether time is when the server last said what time it is.
        changelog: whether updates and deletes take back what was.
        max_ahead: how far a time may be ahead of the commit, in microseconds.
    """

    tables: tuple[TablePattern, ...]
    operations: frozenset[Operation]
    where: Read | None = None
    key: Mapping[str, Read]
    time: Read | None = None
    processing_time: bool = False
    changelog: bool = False
    max_ahead: int


class Input:
    """Selects changes and reads key, time and value of each.

    In changelog mode an update takes the old row back before it adds the new one, and a delete
    takes it back. The old row is read as if it were new.

    Args:
        processor: its name, for errors.
        reading: how changes are read.
        value: reads what the operator looks at; None leaves the event out.
        check: called with each relation when it is seen first.

    Attributes:
        aliases: names of the parts of the key, in their order.
        tables: patterns.
        clock: the highest time of the server that was heard of, in microseconds; part of the state.
    """

    def __init__(
        self, processor: str, reading: Reading, value: Read, check: Callable[[Relation], None]
    ) -> None:
        self._processor = processor
        self._reading = reading
        self._where = reading.where
        self._time = reading.time
        self._key = tuple(reading.key.values())
        self._value = value
        self._check = check
        self._selected: dict[Relation, bool] = {}
        self.aliases = tuple(reading.key)
        self.tables = reading.tables
        self.clock = 0

    @property
    def follows_commits(self) -> bool:
        """Whether every event of the stream says how far its time has come."""
        return self._time is None

    @property
    def by_processing(self) -> bool:
        """Whether its time is processing time."""
        return self._reading.processing_time

    def selects(self, relation: Relation) -> bool:
        """Whether the relation is one of its tables; the first time it is checked.

        Raises:
            ConfigError: it lacks what the definition names, or has it in another type.
        """
        selected = self._selected.get(relation)
        if selected is None:
            schema, table = relation.schema, relation.table
            selected = (
                schema is not None
                and table is not None
                and any(pattern.matches(schema, table) for pattern in self._reading.tables)
            )
            if selected:
                self._check(relation)
            if len(self._selected) >= _MAX_RELATIONS:
                self._selected.clear()
            self._selected[relation] = selected
        return selected

    def read(self, event: CdcEvent, sequence: int, rejected: Rejected) -> list[StreamEvent]:
        """Return what an event is to the operators: nothing, a row, or a row taken back and one.

        Args:
            event: of any table.
            sequence: its number, which goes into what is returned.
            rejected: gets the event and why, if it has no value.

        Raises:
            ConfigError: as ``selects``.
            EnvironmentProblem: the server did not send the whole old row that is taken back.
        """
        reading = self._reading
        if event.operation not in reading.operations or not self.selects(event.relation):
            return []
        if reading.processing_time and event.timestamp > self.clock:
            self.clock = event.timestamp
        if reading.changelog and event.operation in (Operation.UPDATE, Operation.DELETE):
            # What has no value now had none when it came, and was rejected then.
            old = self._read(self._before(event), sequence, -1, None)
            changes = [] if old is None else [old]
            if event.operation is Operation.DELETE:
                return changes
        else:
            changes = []
        new = self._read(event, sequence, 1, rejected)
        if new is not None:
            changes.append(new)
        return changes

    def _read(
        self, event: CdcEvent, sequence: int, weight: int, rejected: Rejected | None
    ) -> StreamEvent | None:
        try:
            if self._where is not None and not self._where(event):
                return None
            key = tuple([_hashable(part(event)) for part in self._key])
            value = self._value(event)
            if value is None:
                return None
            return StreamEvent(key, self._timestamp(event), value, weight, sequence)
        except (Rejection, EvaluationError) as problem:
            if rejected is not None:
                rejected.append((event, str(problem)))
            return None

    def _timestamp(self, event: CdcEvent) -> int:
        if self._time is None:
            return self.clock if self._reading.processing_time else event.timestamp
        time = self._time(event)
        if type(time) is not int:
            raise Rejection(f"time is {'NULL' if time is None else 'not a finite time'}")
        if not self._reading.changelog and self._is_ahead(event, time):
            raise Rejection("time is further ahead of the commit than max_ahead")
        return time

    def _is_ahead(self, event: CdcEvent, time: int) -> bool:
        return self._time is not None and time - event.timestamp > self._reading.max_ahead

    def moves_time(self, event: CdcEvent, change: StreamEvent) -> bool:
        """Whether what was read of an event says how far time has come.

        The rows of a snapshot do not, because they come in no order of time. Nor does, in
        changelog mode, a row whose time is further ahead of its commit than ``max_ahead``: it
        cannot be rejected, because the commit that takes it back will not be the same.
        """
        if event.operation is Operation.READ:
            return False
        return not self._reading.changelog or not self._is_ahead(event, change.timestamp)

    def _before(self, event: CdcEvent) -> CdcEvent:
        """Return the row before the event as if it were new."""
        relation, old = event.relation, event.old
        if (
            old is None
            or type(old) is PartialRow
            or relation.replica_identity is not ReplicaIdentity.FULL
        ):
            raise EnvironmentProblem(
                f"Processor {self._processor!r} is in changelog mode, and "
                f"{relation.qualified_name} does not send what a row was before it changed.",
                remedy=f"{full_identity(relation)} Changes before that stay as they are: begin "
                "anew with another source.slot and state.dir, and the existing rows.",
            )
        return _with_row(event, old)


def sequence_of(event: CdcEvent) -> int:
    """Return the order of an event in the stream as one number."""
    return event.transaction.commit_lsn << 32 | event.ordinal & 0xFFFFFFFF


def _with_row(event: CdcEvent, row: Texts) -> CdcEvent:
    return CdcEvent(
        event.transaction, event.ordinal, event.lsn, event.operation, event.relation, row, None
    )


def _hashable(value: Any) -> Any:
    return value if type(value) is not list else tuple(map(_hashable, value))


def make_input(
    config: InputConfig,
    *,
    processor: str,
    place: str,
    value: Read,
    max_ahead: int,
    mode: Mode = "append",
    check: Callable[[Relation], None] = lambda relation: None,
    tables_place: str = "",
) -> Input:
    """Return the input of a section of the configuration.

    Args:
        config: the section.
        processor: name of the processor, for errors.
        place: of the section, for errors.
        value: reads what the operator looks at.
        max_ahead: how far a time may be ahead of its commit, in microseconds.
        mode: whether rows stay true.
        check: called with each relation when it is seen first.
        tables_place: of the section with ``tables``, if that is another one.

    Raises:
        ConfigError: with the place, if an expression is wrong, or does not go with the mode.
    """
    expressions: dict[str, Expression] = {}
    where = time = None
    if config.where is not None:
        with at_place(f"{place}.where"):
            where = expressions[f"{place}.where"] = Condition(config.where)
    if config.time not in (COMMIT_TIME, PROCESSING_TIME):
        with at_place(f"{place}.time"):
            time = expressions[f"{place}.time"] = Moment(config.time)
    key = _key(config.key, f"{place}.key", expressions)
    if mode == "changelog":
        for at, expression in expressions.items():
            with at_place(at):
                check_repeatable(expression)

    def check_all(relation: Relation) -> None:
        for at, expression in expressions.items():
            with at_place(at, remedy="Let tables name the tables that it is about."):
                expression.check(relation)
        check(relation)

    reading = Reading(
        tables=patterns(config.tables, tables_place or place),
        operations=operations(config.operations, mode),
        where=where,
        key=key,
        time=time,
        processing_time=config.time == PROCESSING_TIME,
        changelog=mode == "changelog",
        max_ahead=max_ahead,
    )
    return Input(processor, reading, value, check_all)


def patterns(tables: tuple[str, ...], place: str) -> tuple[TablePattern, ...]:
    """Return the patterns of tables.

    Raises:
        ConfigError: with the place, if one is no pattern.
    """
    return tuple(TablePattern.parse(text, setting=f"{place}.tables") for text in tables)


def operations(names: tuple[str, ...] | None, mode: Mode) -> frozenset[Operation]:
    """Return the operations of these names; by default those of the mode."""
    names = names or (CHANGES if mode == "changelog" else APPENDED)
    return frozenset(Operation[name.upper()] for name in names)


def _key(
    config: tuple[str, ...] | Mapping[str, str], place: str, expressions: dict[str, Expression]
) -> dict[str, Expression]:
    """Return the parts of a key by their names in results."""
    parts: dict[str, Expression] = {}
    named = config.items() if isinstance(config, Mapping) else enumerate(config)
    for name, text in named:
        at = f"{place}[{name}]" if isinstance(name, int) else f"{place}.{name}"
        with at_place(at):
            expression = expressions[at] = Expression(text)
            alias = expression.label if isinstance(name, int) else name
            if alias in parts:
                raise ConfigError(
                    f"two parts of the key are called {alias!r}.",
                    remedy="Write the key as a mapping, {name: expression}.",
                )
        parts[alias] = expression
    return parts
