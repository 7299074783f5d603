"""From the settings of a sink to what it gets: compiles its condition, finds its function."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from bridge.config import ExcludedColumns, SinkConfig
from bridge.core.errors import BridgeError, ConfigError
from bridge.core.events import CdcEvent, Operation
from bridge.core.relation import Relation
from bridge.core.selection import (
    Columns,
    Condition,
    Filter,
    Renaming,
    Selection,
    Shape,
    Undecided,
)
from bridge.core.table_patterns import TablePattern
from sinks.routing import load_function

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
    from bridge.expressions import EvaluationError, compile_condition

    holds = compile_condition(where)

    def condition(event: CdcEvent) -> bool | None:
        try:
            return holds(event)
        except EvaluationError as error:
            raise Undecided(f"filter.where: {error.message}", remedy=error.remedy) from error
        except ConfigError as error:
            raise ConfigError(
                f"The filter of sink {sink.name!r} cannot be used: {error.message}",
                remedy="Let filter.tables name the tables that where is about.",
            ) from error

    return condition


def _guarded(sink: SinkConfig, name: str) -> Condition:
    """Return the function with errors that name it, without what its own say: that may be a row."""
    function = load_function(name, role="filter")

    def condition(event: CdcEvent) -> bool | None:
        try:
            wanted = function(event)
        except Exception as error:
            raise BridgeError(
                f"The filter {name} of sink {sink.name!r} failed at {event.position} with "
                f"{type(error).__name__}.",
                remedy="Correct the function; nothing was confirmed, so the event comes again.",
            ) from None
        return None if wanted is None else bool(wanted)

    return condition
