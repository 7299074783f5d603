"""Processors that are written in Python: a typed function with ``@processor``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final, Literal, TypeAlias

from bridge.config.inputs import COMMIT_TIME, PROCESSING_TIME, RowOperation
from bridge.config.processors import ProcessorConfig
from bridge.core.errors import BridgeError, ConfigError
from bridge.core.events import CdcEvent
from bridge.core.relation import Relation
from bridge.core.values import Value
from bridge.dataflow.changelog import check_repeatable
from bridge.dataflow.definitions import Window, check_changelog, out_of_orderness
from bridge.dataflow.fingerprint import named
from bridge.dataflow.inputs import (
    Input,
    Mode,
    Read,
    Reading,
    Rejection,
    operations,
    patterns,
)
from bridge.dataflow.places import at_place
from bridge.dataflow.windows import WindowDataflow, WindowRules, make_processor
from bridge.expressions import Expression
from bridge.expressions.operands import Moment
from bridge.processing.aggregates import AggregationFunction
from bridge.processing.partitions import PartitionMemory
from bridge.processing.time import Duration, microseconds
from bridge.processing.windows import WindowType
from sinks.routing import load_function

KeyPart: TypeAlias = str | Callable[[CdcEvent], Value]
Time: TypeAlias = str | Callable[[CdcEvent], int | None]

_SECOND: Final = timedelta(seconds=1)
_DAY: Final = timedelta(days=1)
_PLAIN: Final = (bool, int, float, Decimal, str, bytes, type(None))


@dataclass(frozen=True, kw_only=True)
class PythonProcessor:
    """A function with its definition; it can be called as before.

    Attributes are the arguments of :func:`processor`, and ``function``.
    """

    function: Callable[[CdcEvent], Any]
    name: str
    tables: tuple[str, ...]
    operations: tuple[RowOperation, ...] | None
    key: Mapping[str, KeyPart]
    time: Time
    mode: Mode
    window: Window
    aggregates: Mapping[str, AggregationFunction]
    out_of_orderness: Duration
    allowed_lateness: Duration
    max_ahead: Duration
    emit: Literal["final", "updates"]
    version: int

    def __call__(self, event: CdcEvent) -> Any:
        """Return what the function makes of an event."""
        return self.function(event)

    @property
    def state_name(self) -> str:
        """The name of the state; what functions do is not in it, only their names are."""
        definition = {
            name: repr(getattr(self, name))
            for name in ("tables", "operations", "mode", "window", "aggregates", "emit", "version")
        }
        for name in ("out_of_orderness", "allowed_lateness", "max_ahead"):
            definition[name] = str(microseconds(getattr(self, name), name))
        definition["key"] = repr({name: _named(part) for name, part in self.key.items()})
        definition["time"] = _named(self.time)
        return named(self.name, definition)


def processor(
    *,
    tables: Sequence[str],
    window: Window,
    aggregates: Mapping[str, AggregationFunction],
    name: str = "",
    operations: Sequence[RowOperation] | None = None,
    key: Sequence[str] | Mapping[str, KeyPart] = (),
    time: Time = COMMIT_TIME,
    mode: Mode = "append",
    out_of_orderness: Duration = _SECOND,
    allowed_lateness: Duration = 0,
    max_ahead: Duration = _DAY,
    emit: Literal["final", "updates"] = "final",
    version: int = 1,
) -> Callable[[Callable[[CdcEvent], Any]], PythonProcessor]:
    """Make a processor of a function from a change to what the aggregates read, None for nothing.

    The function has to give the same for the same row, and plain data: numbers, texts, booleans,
    bytes, and lists and dictionaries of these. Its settings are those of ``processors`` in
    ``pgbridge.yaml``, where ``docs/processors.md`` explains them.

    Args:
        tables: names or patterns.
        window: which events belong together.
        aggregates: by the name in results; their fields are those of what the function returns.
        name: of the processor; that of the function by default.
        operations: which changes.
        key: columns or SQL expressions, or functions of the event by the name in results.
        time: ``commit``, ``processing``, an SQL expression, or a function of the event that
            returns microseconds since 1970 in UTC.
        mode: whether rows stay true, or are taken back.
        out_of_orderness: how far behind the newest one an event may be.
        allowed_lateness: how long a window is kept after its result.
        max_ahead: how far the time of an event may be ahead of its commit.
        emit: when results are told.
        version: to be raised when what a function returns changes: then the state begins anew.
    """

    def define(function: Callable[[CdcEvent], Any]) -> PythonProcessor:
        parts = key if isinstance(key, Mapping) else {Expression(text).label: text for text in key}
        return PythonProcessor(
            function=function,
            name=name or getattr(function, "__name__", ""),
            tables=tuple(tables),
            operations=None if operations is None else tuple(operations),
            key=dict(parts),
            time=time,
            mode=mode,
            window=window,
            aggregates=dict(aggregates),
            out_of_orderness=out_of_orderness,
            allowed_lateness=allowed_lateness,
            max_ahead=max_ahead,
            emit=emit,
            version=version,
        )

    return define


def load_processor(
    config: ProcessorConfig, place: str, memory: PartitionMemory | None = None
) -> WindowDataflow:
    """Return the dataflow of a processor with ``python``.

    Raises:
        ConfigError: with the place, if there is no such function, or its definition is wrong.
    """
    found = find_processor(config, place)
    with at_place(f"{place}.python ({config.python})"):
        return make_dataflow(found, config.to, memory)


def find_processor(config: ProcessorConfig, place: str) -> PythonProcessor:
    """Return the definition that ``python`` names.

    Raises:
        ConfigError: with the place, if there is none.
    """
    assert config.python is not None
    with at_place(f"{place}.python"):
        found: Any = load_function(config.python, role="processor")
        if not isinstance(found, PythonProcessor):
            raise ConfigError(
                f"{config.python} has no @processor.", remedy="Import it from bridge."
            )
        return found


def make_dataflow(
    definition: PythonProcessor, sinks: tuple[str, ...], memory: PartitionMemory | None = None
) -> WindowDataflow:
    """Return the dataflow of a definition in Python.

    Raises:
        ConfigError: the definition is wrong.
    """
    changelog = definition.mode == "changelog"
    by_commit = definition.time in (COMMIT_TIME, PROCESSING_TIME)
    if changelog:
        check_changelog(
            definition.window,
            tables=definition.tables,
            operations=definition.operations,
            has_column_time=not by_commit,
        )
        _check_retracting(definition.aggregates)
    source, aggregates = _source(definition, by_commit=by_commit)
    lag = microseconds(definition.out_of_orderness, "out_of_orderness", minimum=0)
    lag = out_of_orderness(definition.window, str(definition.time), lag)
    rules = WindowRules(
        name=definition.name,
        state_name=definition.state_name,
        sinks=sinks,
        changelog=changelog,
        needs_rows=definition.tables if changelog else (),
        commits_tell_time=by_commit,
        lag=lag,
        ends=not isinstance(definition.window, WindowType.Count | WindowType.Global),
    )
    computing = make_processor(
        definition.window,
        definition.aggregates,
        memory=memory,
        state_name=definition.state_name,
        name=definition.name,
        allowed_lateness=definition.allowed_lateness,
        emit=definition.emit,
        out_of_orderness=lag,
    )
    return WindowDataflow(rules, source, aggregates, computing)


def _source(definition: PythonProcessor, *, by_commit: bool) -> tuple[Input, FieldAggregates]:
    changelog = definition.mode == "changelog"
    expressions: list[Expression] = []

    def expression(kind: type[Expression], text: str) -> Expression:
        made = kind(text)
        if changelog:
            check_repeatable(made)
        expressions.append(made)
        return made

    def check(relation: Relation) -> None:
        with at_place(f"Processor {definition.name!r}"):
            for made in expressions:
                made.check(relation)

    time = None
    if not by_commit:
        given = definition.time
        time = expression(Moment, given) if isinstance(given, str) else _guarded(given, "time")
    key: dict[str, Read] = {
        name: expression(Expression, part)
        if isinstance(part, str)
        else _guarded(part, f"key {name}")
        for name, part in definition.key.items()
    }
    aggregates = FieldAggregates(
        definition.aggregates, _guarded(definition.function, definition.name)
    )
    reading = Reading(
        tables=patterns(definition.tables, definition.name),
        operations=operations(definition.operations, definition.mode),
        key=key,
        time=time,
        processing_time=definition.time == PROCESSING_TIME,
        changelog=changelog,
        max_ahead=microseconds(definition.max_ahead, "max_ahead", minimum=0),
    )
    return Input(definition.name, reading, aggregates.value, check), aggregates


class FieldAggregates:
    """Aggregates over what a function returns for an event.

    Args:
        functions: by name in results.
        value: the function.
    """

    def __init__(
        self, functions: Mapping[str, AggregationFunction], value: Callable[[CdcEvent], Any]
    ) -> None:
        self.functions = functions
        self._value = value

    def value(self, event: CdcEvent) -> Any:
        """Return what the function returns, if every aggregate takes it, as far as one can tell."""
        value = self._value(event)
        if value is not None:
            for name, function in self.functions.items():
                try:
                    function.add(function.create(), value, (0, 0))
                except BridgeError as error:
                    raise Rejection(f"aggregate {name}: {error.message}") from None
        return value

    def check(self, relation: Relation) -> None:
        """Do nothing: a function says what it takes when it gets it."""

    def show(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the values as they are."""
        return values

    def dump(self) -> None:
        """Return nothing: there is no state besides the windows."""

    def load(self, plain: Any) -> None:
        """Take nothing."""


def _guarded(function: Callable[[CdcEvent], Any], what: str) -> Read:
    """Return a function of the user's whose failures and foreign values reject the event."""

    def read(event: CdcEvent) -> Any:
        try:
            value = function(event)
        except Exception as error:  # without its text, which may quote a value
            raise Rejection(f"{what} failed with {type(error).__name__}") from None
        foreign = _foreign(value)
        if foreign is not None:
            raise Rejection(f"{what} gave a {foreign}, which is no plain data")
        return value

    return read


def _foreign(value: Any) -> str | None:
    """Return the name of a type that is no plain data."""
    if isinstance(value, _PLAIN):
        return None
    if isinstance(value, Mapping):
        parts: Sequence[Any] = [*value, *value.values()]
    elif isinstance(value, list | tuple):
        parts = value
    else:
        return type(value).__name__
    return next((found for found in map(_foreign, parts) if found is not None), None)


def _check_retracting(aggregates: Mapping[str, AggregationFunction]) -> None:
    for name, function in aggregates.items():
        if not function.retracts:
            raise ConfigError(
                f"aggregate {name!r} cannot take values back, as changelog mode does.",
                remedy="Define it with changelog=True, or a fold with retract.",
            )


def _named(part: object) -> str:
    return part if isinstance(part, str) else getattr(part, "__qualname__", type(part).__name__)
