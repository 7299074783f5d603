"""From the settings of a sink to what it gets: compiles its condition, finds its function."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module

import structlog

from bridge.config import ExcludedColumns, SinkConfig
from bridge.core.errors import BridgeError, ConfigError
from bridge.core.events import CdcEvent, Operation
from bridge.core.relation import Relation
from bridge.core.selection import Columns, Condition, Filter, Renaming, Selection, Shape
from bridge.core.table_patterns import TablePattern

log = structlog.get_logger()


def make_selection(sink: SinkConfig) -> Selection | None:
    """Return what the sink gets; None for everything as it comes.

    Raises:
        ConfigError: a condition is wrong, or a function cannot be found.
    """
    chosen, shape = _filter(sink), _shape(sink)
    return None if chosen is None and shape is None else Selection(chosen, shape)


def _filter(sink: SinkConfig) -> Filter | None:
    wanted = sink.filter
    conditions: list[Condition] = []
    if wanted.where is not None:
        conditions.append(_named(sink, wanted.where))
    if wanted.function is not None:
        conditions.append(_guarded(sink, wanted.function))
    if wanted.tables is None and wanted.operations is None and not conditions:
        return None
    return Filter(
        tables=None if wanted.tables is None else [_pattern(text) for text in wanted.tables],
        operations=None
        if wanted.operations is None
        else [Operation[name.upper()] for name in wanted.operations],
        conditions=conditions,
    )


def _shape(sink: SinkConfig) -> Shape | None:
    if not sink.columns and not sink.rename:
        return None

    def unknown(relation: Relation, names: Sequence[str]) -> None:
        log.warning(
            "columns_unknown", sink=sink.name, table=relation.qualified_name, columns=list(names)
        )

    return Shape(
        [
            Columns(tables=_pattern(table), names=frozenset(chosen.exclude), exclude=True)
            if isinstance(chosen, ExcludedColumns)
            else Columns(tables=_pattern(table), names=frozenset(chosen))
            for table, chosen in sink.columns.items()
        ],
        [Renaming(tables=_pattern(table), names=names) for table, names in sink.rename.items()],
        unknown=unknown,
    )


def _pattern(text: str) -> TablePattern:
    return TablePattern.parse(text, setting="sinks")


def _named(sink: SinkConfig, where: str) -> Condition:
    """Return the condition with errors that say whose it is: that of a table without the column."""
    from bridge.expressions import compile_condition  # its parser is imported on use

    holds = compile_condition(where)

    def condition(event: CdcEvent) -> bool | None:
        try:
            return holds(event)
        except ConfigError as error:
            raise ConfigError(
                f"The filter of sink {sink.name!r} cannot be used: {error.message}",
                remedy="Let filter.tables name the tables that where is about.",
            ) from error

    return condition


def _guarded(sink: SinkConfig, name: str) -> Condition:
    """Return the function with errors that name it, without what its own say: that may be a row."""
    function = _find(name)

    def condition(event: CdcEvent) -> bool | None:
        try:
            return function(event)
        except Exception as error:
            raise BridgeError(
                f"The filter {name} of sink {sink.name!r} failed at {event.position} with "
                f"{type(error).__name__}.",
                remedy="Correct the function; nothing was confirmed, so the event comes again.",
            ) from error

    return condition


def _find(name: str) -> Callable[[CdcEvent], bool | None]:
    module, _, attribute = name.partition(":")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        function = getattr(import_module(module), attribute)
    except ImportError as error:
        raise ConfigError(
            f"The filter {name} cannot be imported: {error}.",
            remedy="The module has to be in the working directory or on Python's path.",
        ) from error
    except AttributeError:
        raise ConfigError(f"The module {module} has no function {attribute}.") from None
    if not callable(function):
        raise ConfigError(f"The filter {name} is not a function.")
    found: Callable[[CdcEvent], bool | None] = function
    return found
