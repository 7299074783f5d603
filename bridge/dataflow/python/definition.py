"""What ``@processor`` makes of a function: its definition, which knows no stream and no sink."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Literal, TypeAlias

from bridge.config.inputs import COMMIT_TIME, PROCESSING_TIME, RowOperation
from bridge.core.events import CdcEvent
from bridge.core.values import Value
from bridge.dataflow.fingerprint import named
from bridge.dataflow.inputs import Mode
from bridge.processing.aggregates import AggregationFunction
from bridge.processing.joins import JoinType
from bridge.processing.patterns import Pattern
from bridge.processing.patterns.conditions import Criteria
from bridge.processing.patterns.definition import Step
from bridge.processing.time import Duration, microseconds
from bridge.processing.windows import WindowType
from bridge.processing.windows.definitions import Window

KeyPart: TypeAlias = str | Callable[[CdcEvent], Value]
Key: TypeAlias = Sequence[str] | Mapping[str, KeyPart]
Time: TypeAlias = str | Callable[[CdcEvent], int | None]
Join: TypeAlias = JoinType.Interval | JoinType.AsOf | JoinType.Table
Emit: TypeAlias = Literal["final", "updates"]


@dataclass(frozen=True, kw_only=True)
class ProcessorInput:
    """Which changes a processor looks at, and how it reads them: one side of a join.

    Attributes:
        tables: names or patterns.
        key: columns or SQL expressions, or functions of the event by the name in results.
        operations: which changes; new rows by default.
        time: ``commit``, ``processing``, an SQL expression, or a function of the event that
            returns microseconds since 1970 in UTC.
        value: what is kept of a change, as plain data; None of it leaves the change out. By default
            its row, as a dictionary by column.
    """

    tables: Sequence[str]
    key: Key = ()
    operations: Sequence[RowOperation] | None = None
    time: Time = COMMIT_TIME
    value: Callable[[CdcEvent], Any] | None = None

    @property
    def follows_commits(self) -> bool:
        """Whether its time is that of commits, or of processing, which follows them."""
        return self.time in (COMMIT_TIME, PROCESSING_TIME)

    def described(self) -> dict[str, str]:
        """Return what tells it from another one; of functions that is their name."""
        key = self.key
        return {
            "tables": repr(tuple(self.tables)),
            "operations": repr(None if self.operations is None else tuple(self.operations)),
            "key": repr({name: _named(part) for name, part in key.items()})
            if isinstance(key, Mapping)
            else repr(tuple(key)),
            "time": _named(self.time),
            "value": _named(self.value),
        }


@dataclass(frozen=True, kw_only=True)
class Windowed:
    """Aggregates in windows.

    Attributes:
        input: whose changes they are of.
        mode: whether rows stay true, or are taken back.
        window: which events belong together.
        aggregates: by name in results.
        allowed_lateness: how long a window is kept after its result.
        emit: when results are told.
    """

    input: ProcessorInput
    mode: Mode
    window: Window
    aggregates: Mapping[str, AggregationFunction]
    allowed_lateness: Duration
    emit: Emit

    @property
    def may_be_late(self) -> bool:
        """Whether there are events that come too late."""
        timeless = isinstance(self.window, WindowType.Count | WindowType.Global)
        return not timeless and self.input.time != PROCESSING_TIME

    def described(self) -> dict[str, Any]:
        """Return what tells it from another one."""
        lateness = microseconds(self.allowed_lateness, "allowed_lateness")
        return {
            **self.input.described(),
            "mode": self.mode,
            "window": repr(self.window),
            "aggregates": {name: _made_with(each) for name, each in self.aggregates.items()},
            "allowed_lateness": lateness,
            "emit": self.emit,
        }


@dataclass(frozen=True, kw_only=True)
class Joined:
    """A join.

    Attributes:
        join: its type.
        left: the left side.
        right: the right side, or the table.
    """

    join: Join
    left: ProcessorInput
    right: ProcessorInput

    @property
    def may_be_late(self) -> bool:
        """Whether there are events that come too late."""
        timeless = self.left.time == self.right.time == PROCESSING_TIME
        return not timeless and not isinstance(self.join, JoinType.Table)

    def described(self) -> dict[str, Any]:
        """Return what tells it from another one."""
        return {
            "join": repr(self.join),
            "left": self.left.described(),
            "right": self.right.described(),
        }


@dataclass(frozen=True, kw_only=True)
class Matched:
    """A pattern.

    Attributes:
        input: among whose changes it is looked for.
        pattern: with conditions on what the function returned.
    """

    input: ProcessorInput
    pattern: Pattern

    @property
    def may_be_late(self) -> bool:
        """Whether there are events that come too late."""
        return self.input.time != PROCESSING_TIME

    def described(self) -> dict[str, Any]:
        """Return what tells it from another one."""
        return {
            **self.input.described(),
            "steps": [_described(step) for step in self.pattern.steps],
            "skip": repr(self.pattern.skip),
            "within": self.pattern.window,
        }


@dataclass(frozen=True, kw_only=True)
class PythonProcessor:
    """A function with its definition; it can be called as before.

    Attributes:
        function: of an event; of a join, of both rows.
        name: of the processor.
        definition: what it computes.
        out_of_orderness: how far behind the newest one an event may be.
        max_ahead: how far the time of an event may be ahead of its commit.
        version: another one begins anew.
    """

    function: Callable[..., Any]
    name: str
    definition: Windowed | Joined | Matched
    out_of_orderness: Duration
    max_ahead: Duration
    version: int

    def __call__(self, *args: Any) -> Any:
        """Return what the function returns."""
        return self.function(*args)

    @property
    def state_name(self) -> str:
        """The name of the state; what functions do is not in it, only their names are."""
        described = self.definition.described() | {"version": self.version}
        for name in ("out_of_orderness", "max_ahead"):
            described[name] = microseconds(getattr(self, name), name)
        return named(self.name, described)

    @property
    def changelog_tables(self) -> tuple[str, ...]:
        """The tables of which it has to get whole old rows."""
        made = self.definition
        if isinstance(made, Windowed) and made.mode == "changelog":
            return tuple(made.input.tables)
        return ()


def _named(part: object) -> str:
    return part if isinstance(part, str) else getattr(part, "__qualname__", type(part).__name__)


def _made_with(function: AggregationFunction) -> list[str]:
    """Return the kind of an aggregate and its settings: a state of other ones is not its own."""
    return [
        type(function).__qualname__,
        *(
            f"{name}={setting!r}"
            if setting is None or isinstance(setting, str | bytes | int | float | Decimal)
            else f"{name} {_named(setting)}"
            for name, setting in sorted(vars(function).items())
        ),
    ]


def _described(step: Step) -> list[str]:
    """Return a step without the functions of its conditions, and their names behind it."""
    until = () if step.until is None else step.until.terms
    plain = replace(step, criteria=Criteria(step.name), until=None)
    conditions = [
        f"{'or ' if term.alternative else ''}{_named(term.function)}"
        for term in step.criteria.terms
    ]
    return [repr(plain), *conditions, *(f"until {_named(term.function)}" for term in until)]
