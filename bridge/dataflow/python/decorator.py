"""The decorator ``@processor``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final, TypeAlias, overload

from bridge.config.inputs import COMMIT_TIME, RowOperation
from bridge.core.errors import ConfigError
from bridge.core.events import CdcEvent
from bridge.dataflow.inputs import Mode
from bridge.dataflow.python.definition import (
    Emit,
    Join,
    Joined,
    Key,
    Matched,
    ProcessorInput,
    PythonProcessor,
    Time,
    Windowed,
)
from bridge.processing.aggregates import AggregationFunction
from bridge.processing.patterns import Pattern
from bridge.processing.time import Duration
from bridge.processing.windows.definitions import Window

OfEvent: TypeAlias = Callable[[CdcEvent], Any]
OfRows: TypeAlias = Callable[[Any, Any], Mapping[str, Any] | None]

_SECOND: Final = timedelta(seconds=1)
_DAY: Final = timedelta(days=1)

_REQUIRED: Final = {
    "window": ("tables", "aggregates"),
    "join": ("left", "right"),
    "pattern": ("tables",),
}
"""The kinds of processors, each with what it needs beside the argument of that name."""

_OPTIONAL: Final = {
    "window": ("operations", "key", "time", "mode", "allowed_lateness", "emit"),
    "join": (),
    "pattern": ("operations", "key", "time"),
}


@overload
def processor(
    *,
    tables: Sequence[str],
    window: Window,
    aggregates: Mapping[str, AggregationFunction],
    name: str = "",
    operations: Sequence[RowOperation] | None = None,
    key: Key = (),
    time: Time = COMMIT_TIME,
    mode: Mode = "append",
    out_of_orderness: Duration = _SECOND,
    allowed_lateness: Duration = 0,
    max_ahead: Duration = _DAY,
    emit: Emit = "final",
    version: int = 1,
) -> Callable[[OfEvent], PythonProcessor]: ...
@overload
def processor(
    *,
    join: Join,
    left: ProcessorInput,
    right: ProcessorInput,
    name: str = "",
    out_of_orderness: Duration = _SECOND,
    max_ahead: Duration = _DAY,
    version: int = 1,
) -> Callable[[OfRows], PythonProcessor]: ...
@overload
def processor(
    *,
    tables: Sequence[str],
    pattern: Pattern,
    name: str = "",
    operations: Sequence[RowOperation] | None = None,
    key: Key = (),
    time: Time = COMMIT_TIME,
    out_of_orderness: Duration = _SECOND,
    max_ahead: Duration = _DAY,
    version: int = 1,
) -> Callable[[OfEvent], PythonProcessor]: ...
def processor(
    *,
    tables: Sequence[str] = (),
    window: Window | None = None,
    aggregates: Mapping[str, AggregationFunction] | None = None,
    join: Join | None = None,
    left: ProcessorInput | None = None,
    right: ProcessorInput | None = None,
    pattern: Pattern | None = None,
    name: str = "",
    operations: Sequence[RowOperation] | None = None,
    key: Key = (),
    time: Time = COMMIT_TIME,
    mode: Mode = "append",
    out_of_orderness: Duration = _SECOND,
    allowed_lateness: Duration = 0,
    max_ahead: Duration = _DAY,
    emit: Emit = "final",
    version: int = 1,
) -> Callable[[Callable[..., Any]], PythonProcessor]:
    """Make a processor of a function: over a ``window``, a ``join``, or a ``pattern``.

    With a window the function gets a change and returns what the aggregates read; with a pattern it
    returns what the conditions of the steps look at, and results show; None leaves the change out.
    With a join it gets what was kept of the left row and of the right one, None for a side without
    a partner, and returns the values of the result by name, or None for no result.

    It has to give the same for the same changes, and plain data: numbers, texts, booleans, bytes,
    and lists and dictionaries of these. Its settings are those of ``processors`` in
    ``pgbridge.yaml``, where ``docs/processors.md`` explains them.

    Args:
        tables: names or patterns.
        window: which events belong together.
        aggregates: by the name in results; their fields are those of what the function returns.
        join: how the events of both sides find each other.
        left: the left side of a join.
        right: the right side of a join, or its table.
        pattern: a sequence of events of one key.
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

    Raises:
        ConfigError: the arguments are not those of one kind of processor.
    """
    given = {
        "tables": bool(tables),
        "window": window is not None,
        "aggregates": aggregates is not None,
        "join": join is not None,
        "left": left is not None,
        "right": right is not None,
        "pattern": pattern is not None,
        "operations": operations is not None,
        "key": bool(key),
        "time": time != COMMIT_TIME,
        "mode": mode != "append",
        "allowed_lateness": bool(allowed_lateness),
        "emit": emit != "final",
    }
    _check([argument for argument, is_given in given.items() if is_given])

    def define(function: Callable[..., Any]) -> PythonProcessor:
        source = ProcessorInput(
            tables=tuple(tables), key=key, operations=operations, time=time, value=function
        )
        definition: Windowed | Joined | Matched
        if window is not None:
            definition = Windowed(
                input=source,
                mode=mode,
                window=window,
                aggregates=dict(aggregates or {}),
                allowed_lateness=allowed_lateness,
                emit=emit,
            )
        elif pattern is not None:
            definition = Matched(input=source, pattern=pattern)
        else:
            assert join is not None
            assert left is not None
            assert right is not None
            definition = Joined(join=join, left=left, right=right)
        return PythonProcessor(
            function=function,
            name=name or getattr(function, "__name__", ""),
            definition=definition,
            out_of_orderness=out_of_orderness,
            max_ahead=max_ahead,
            version=version,
        )

    return define


def _check(given: Sequence[str]) -> None:
    kinds = [kind for kind in _REQUIRED if kind in given]
    if len(kinds) != 1:
        raise ConfigError(
            f"@processor has {' and '.join(kinds) or 'neither window nor join nor pattern'}.",
            remedy="Give it a window with aggregates, or a join, or a pattern.",
        )
    [kind] = kinds
    for argument in given:
        if argument not in (kind, *_REQUIRED[kind], *_OPTIONAL[kind]):
            raise ConfigError(f"{argument} does not belong to a @processor with {kind}.")
    for argument in _REQUIRED[kind]:
        if argument not in given:
            raise ConfigError(f"A @processor with {kind} needs {argument}.")
