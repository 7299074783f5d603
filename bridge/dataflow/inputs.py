"""From changes of tables to the keyed events that operators take."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, TypeAlias

from bridge.config.durations import duration_us
from bridge.config.inputs import COMMIT_TIME, PROCESSING_TIME, InputConfig
from bridge.core.errors import BridgeError, ConfigError, EnvironmentProblem
from bridge.core.events import CdcEvent, Operation, Texts
from bridge.core.relation import Relation, ReplicaIdentity
from bridge.core.table_patterns import TablePattern
from bridge.core.values import Value
from bridge.dataflow.places import at_place
from bridge.processing.events import StreamEvent

Mode: TypeAlias = Literal["append", "changelog"]
Rejected: TypeAlias = "list[tuple[CdcEvent, str]]"
Read: TypeAlias = Callable[[CdcEvent], Any]

APPENDED: Final = ("insert", "read")
"""The operations of append mode, if none are named: rows that are new to the processor."""
CHANGES: Final = ("insert", "update", "delete", "read")
"""Those of changelog mode."""

_MAX_RELATIONS: Final = 1000
_NO_CHANGE: Final[tuple[Any, ...]] = ()


class Rejection(Exception):
    """An event has no value; the message says why, without values of the row."""


class Input:
    """Selects changes and reads key, time and value of each.

    In changelog mode an update takes the old row back before it adds the new one, and a delete
    takes it back. The old row is read as if it were new.

    Args:
        processor: name of the processor, for errors.
        place: where the input stands in the configuration, for errors.
        tables: patterns.
        operations: which changes; None for those of the mode.
        where: whether a change counts; None (unknown) is no.
        key: name in results to what reads it.
        time: reads microseconds since the Unix epoch; ``commit`` or ``processing`` time.
        value: reads what the operator looks at; None leaves the event out.
        mode: whether rows stay true, or are taken back.
        max_ahead: how far a time may be ahead of the commit, in microseconds.
        check: called with each relation when it is seen first.

    Attributes:
        aliases: names of the parts of the key, in their order.

    Raises:
        ConfigError: a pattern is wrong, or changelog mode does not go with the rest.
    """

    def __init__(
        self,
        *,
        processor: str,
        place: str,
        tables: tuple[str, ...],
        operations: tuple[str, ...] | None,
        where: Read | None,
        key: Mapping[str, Read],
        time: Read | Literal["commit", "processing"],
        value: Read,
        mode: Mode,
        max_ahead: int,
        check: Callable[[Relation], None],
    ) -> None:
        self._processor = processor
        self._place = place
        self._tables = [TablePattern.parse(t, setting=f"{place}.tables") for t in tables]
        self._changelog = mode == "changelog"
        names = operations or (CHANGES if self._changelog else APPENDED)
        self._operations = frozenset(Operation[name.upper()] for name in names)
        self._where = where
        self.aliases = tuple(key)
        self._key = tuple(key.values())
        self._time = None if isinstance(time, str) else time
        self._by_clock = time == PROCESSING_TIME
        self._value = value
        self._max_ahead = max_ahead
        self._check = check
        self._clock = 0
        self._selected: dict[Relation, bool] = {}
        self._whole: set[Relation] = set()

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
                and any(pattern.matches(schema, table) for pattern in self._tables)
            )
            if selected:
                self._check(relation)
            if len(self._selected) >= _MAX_RELATIONS:
                self._selected.clear()
                self._whole.clear()
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
        if event.operation not in self._operations or not self.selects(event.relation):
            return []
        if self._by_clock:
            self._clock = max(self._clock, event.timestamp)
        changes = []
        if self._changelog and event.operation in (Operation.UPDATE, Operation.DELETE):
            old = self._read(self._as_new(event, self._old_of(event)), sequence, -1, None)
            if old is not None:
                changes.append(old)
            if event.operation is Operation.DELETE:
                return changes
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
        except Rejection as problem:
            # A row that is taken back and has no value had none when it came.
            if rejected is not None:
                rejected.append((event, str(problem)))
            return None

    def _timestamp(self, event: CdcEvent) -> int:
        if self._time is None:
            return self._clock if self._by_clock else event.timestamp
        time = self._time(event)
        if type(time) is not int:
            what = "NULL" if time is None else "infinite"
            raise Rejection(f"time is {what}")
        if time - event.timestamp > self._max_ahead and not self._changelog:
            raise Rejection("time is further ahead of the commit than max_ahead")
        return time

    def moves_time(self, event: CdcEvent, change: StreamEvent) -> bool:
        """Whether what was read of an event says how far time has come.

        The rows of a snapshot do not, because they come in no order of time. Nor does, in
        changelog mode, a row whose time is further ahead of its commit than ``max_ahead``.
        """
        if event.operation is Operation.READ:
            return False
        return not self._changelog or change.timestamp - event.timestamp <= self._max_ahead

    def advance(self, now: int) -> None:
        """Let processing time pass, to the server's clock in microseconds."""
        self._clock = max(self._clock, now)

    @property
    def clock(self) -> int:
        """Processing time so far; part of the state."""
        return self._clock

    def _old_of(self, event: CdcEvent) -> Texts:
        relation = event.relation
        if relation.replica_identity is not ReplicaIdentity.FULL or event.old is None:
            raise EnvironmentProblem(
                f"Processor {self._processor!r} is in changelog mode, and {relation} does not send "
                "what a row was before it changed.",
                remedy=full_identity(relation.schema or "", relation.table or ""),
            )
        return event.old

    def _as_new(self, event: CdcEvent, row: Texts) -> CdcEvent:
        return CdcEvent(
            event.transaction, event.ordinal, event.lsn, event.operation, event.relation, row, None
        )
