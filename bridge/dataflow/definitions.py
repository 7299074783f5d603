"""From the settings of a processor over windows to its dataflow."""

from __future__ import annotations

from typing import Final

from bridge.config.durations import duration_us
from bridge.config.inputs import COMMIT_TIME, PROCESSING_TIME
from bridge.config.processors import ProcessorConfig
from bridge.config.windows import window_of
from bridge.core.errors import ConfigError
from bridge.core.table_patterns import TablePattern
from bridge.dataflow.aggregates import SqlAggregates
from bridge.dataflow.changelog import check_repeatable
from bridge.dataflow.fingerprint import state_name_of
from bridge.dataflow.inputs import make_input
from bridge.dataflow.late_events import make_late_output
from bridge.dataflow.places import at_place
from bridge.dataflow.windows import WindowDataflow, WindowRules, make_processor
from bridge.processing.partitions import PartitionMemory
from bridge.processing.windows import WindowType
from bridge.processing.windows.definitions import Window

_TIMELESS: Final = (WindowType.Count, WindowType.Global)


def make_windows(
    config: ProcessorConfig, place: str, memory: PartitionMemory | None = None
) -> WindowDataflow:
    """Return the dataflow of a processor with ``window``.

    Args:
        config: its definition.
        place: of the definition, ``processors[0]``, for errors.
        memory: for the state; None to keep all of it.

    Raises:
        ConfigError: with the place of the setting that is wrong.
    """
    assert config.window is not None
    assert config.from_ is not None
    with at_place(f"{place}.window"):
        window = window_of(config.window)
    changelog = config.mode == "changelog"
    aggregates = SqlAggregates(config.aggregates, place=f"{place}.aggregates", changelog=changelog)
    if changelog:
        with at_place(place):
            check_changelog(
                window,
                tables=config.from_.tables,
                operations=config.from_.operations,
                has_column_time=config.time not in (COMMIT_TIME, PROCESSING_TIME),
            )
        for at, operand in aggregates.operands.items():
            with at_place(at):
                check_repeatable(operand)
    source = make_input(
        config.input,
        processor=config.name,
        place=place,
        value=aggregates.value,
        max_ahead=duration_us(config.max_ahead),
        mode=config.mode,
        check=aggregates.check,
        tables_place=f"{place}.from",
    )
    lag = out_of_orderness(window, config.time, duration_us(config.out_of_orderness))
    with at_place(place):
        processor = make_processor(
            window,
            aggregates.functions,
            memory=memory,
            state_name=state_name_of(config),
            name=config.name,
            allowed_lateness=duration_us(config.allowed_lateness),
            emit=config.emit,
            out_of_orderness=lag,
        )
    rules = WindowRules(
        name=config.name,
        state_name=state_name_of(config),
        sinks=config.to,
        changelog=changelog,
        needs_rows=config.from_.tables if changelog else (),
        commits_tell_time=config.time in (COMMIT_TIME, PROCESSING_TIME),
        lag=lag,
        ends=not isinstance(window, _TIMELESS),
    )
    late = make_late_output(config.name, source.aliases, config.late_to)
    return WindowDataflow(rules, source, aggregates, processor, late)


def out_of_orderness(window: Window, time: str, lag: int) -> int:
    """Return how far events may be behind: not at all where time does not count, or only rises."""
    return 0 if time == PROCESSING_TIME or isinstance(window, _TIMELESS) else lag


def check_changelog(
    window: Window,
    *,
    tables: tuple[str, ...],
    operations: tuple[str, ...] | None,
    has_column_time: bool,
) -> None:
    """Check what changelog mode asks for.

    Raises:
        ConfigError: rows could not be taken back.
    """
    patterns = [TablePattern.parse(text, setting="tables") for text in tables]
    if len(patterns) != 1 or not patterns[0].names_one:
        raise ConfigError(
            "changelog mode is for one table, without `*`: a TRUNCATE empties one of them.",
            remedy="Define a processor for each table.",
        )
    if operations is not None:
        raise ConfigError(
            "operations in changelog mode would leave out changes that others rest on.",
            remedy="Leave operations out, or set mode to append.",
        )
    if isinstance(window, WindowType.Session | WindowType.Count):
        raise ConfigError(
            "changelog mode is for tumbling, sliding and global windows: sessions and counts of "
            "events cannot be taken back.",
        )
    if not isinstance(window, WindowType.Global) and not has_column_time:
        raise ConfigError(
            "changelog mode needs a time from a column: a row is taken back from the window that "
            "it was added to, and its commit time is not that of the change.",
            remedy="Set time to a column of the row, such as new.created_at, or use a window of "
            "the type global.",
        )
