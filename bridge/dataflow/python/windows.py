"""Windows over what a function returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bridge.core.errors import BridgeError, ConfigError
from bridge.core.events import CdcEvent
from bridge.core.relation import Relation
from bridge.dataflow.definitions import check_changelog, out_of_orderness
from bridge.dataflow.inputs import Rejection
from bridge.dataflow.late_events import make_late_output
from bridge.dataflow.python.definition import PythonProcessor, Windowed
from bridge.dataflow.python.inputs import guarded, make_python_input
from bridge.dataflow.windows import WindowDataflow, WindowRules, make_processor
from bridge.processing.aggregates import AggregationFunction
from bridge.processing.partitions import PartitionMemory
from bridge.processing.time import microseconds
from bridge.processing.windows import WindowType


def make_python_windows(
    processor: PythonProcessor,
    made: Windowed,
    *,
    sinks: tuple[str, ...],
    late_sinks: tuple[str, ...],
    memory: PartitionMemory | None,
) -> WindowDataflow:
    """Return the dataflow of a definition with a window.

    Args:
        processor: the function with its definition.
        made: the definition.
        sinks: names of those that get results.
        late_sinks: names of those that get late events.
        memory: for the state; None to keep all of it.

    Raises:
        ConfigError: the definition is wrong.
    """
    changelog = made.mode == "changelog"
    tables = tuple(made.input.tables)
    by_commit = made.input.follows_commits
    if changelog:
        check_changelog(
            made.window,
            tables=tables,
            operations=None if made.input.operations is None else tuple(made.input.operations),
            has_column_time=not by_commit,
        )
        _check_retracting(made.aggregates)
    aggregates = FieldAggregates(made.aggregates, guarded(processor.function, processor.name))
    source = make_python_input(
        made.input,
        aggregates.value,
        processor=processor.name,
        max_ahead=microseconds(processor.max_ahead, "max_ahead", minimum=0),
        mode=made.mode,
    )
    lag = microseconds(processor.out_of_orderness, "out_of_orderness", minimum=0)
    lag = out_of_orderness(made.window, str(made.input.time), lag)
    rules = WindowRules(
        name=processor.name,
        state_name=processor.state_name,
        sinks=sinks,
        changelog=changelog,
        needs_rows=tables if changelog else (),
        commits_tell_time=by_commit,
        lag=lag,
        ends=not isinstance(made.window, WindowType.Count | WindowType.Global),
    )
    computing = make_processor(
        made.window,
        made.aggregates,
        memory=memory,
        state_name=processor.state_name,
        name=processor.name,
        allowed_lateness=made.allowed_lateness,
        emit=made.emit,
        out_of_orderness=lag,
    )
    late = make_late_output(processor.name, source.aliases, late_sinks)
    return WindowDataflow(rules, source, aggregates, computing, late)


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


def _check_retracting(aggregates: Mapping[str, AggregationFunction]) -> None:
    for name, function in aggregates.items():
        if not function.retracts:
            raise ConfigError(
                f"aggregate {name!r} cannot take values back, as changelog mode does.",
                remedy="Define it with changelog=True, or a fold with retract.",
            )
