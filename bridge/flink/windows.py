"""Aggregates in windows as Flink SQL: window table-valued functions.

https://nightlies.apache.org/flink/flink-docs-stable/docs/dev/table/sql/queries/window-tvf/
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from bridge.config.durations import duration_us
from bridge.config.processors import ProcessorConfig, WindowConfig
from bridge.core.errors import ConfigError
from bridge.expressions.calls import read_call
from bridge.flink.results import row
from bridge.flink.sources import MICROSECONDS, TIME, Stream, Wanted
from bridge.flink.types import (
    BIGINT,
    BOOLEAN,
    DOUBLE,
    INT,
    MAX_DIGITS,
    WHOLE,
    FlinkType,
    decimal,
    interval,
    quoted,
)
from bridge.flink.values import Sql

_MEAN_SCALE: Final = 18
"""Digits after the point of a mean of exact numbers: more than the 16 that PostgreSQL has."""

_COMPARED: Final = ("integer", "decimal", "float", "text", "date", "timestamp", "instant")


def aggregate_columns(aggregates: Mapping[str, str]) -> dict[str, Wanted]:
    """Return what the aggregates read, by the names of the columns in the view."""
    columns = {}
    for name, text in aggregates.items():
        arguments = read_call(text).arguments
        if arguments:
            columns[f"value_{name}"] = Wanted(arguments[0])
    return columns


def windowed(
    config: ProcessorConfig, stream: Stream, keys: Mapping[str, Sql]
) -> tuple[dict[str, Sql], str]:
    """Return the members of a window's result, and the query behind them.

    Args:
        config: the processor.
        stream: its events, with the columns of ``aggregate_columns`` and of the key.
        keys: what reads the key from the view, by the names in results.

    Raises:
        ConfigError: Flink SQL has no such window or aggregate, or one that means something else.
    """
    window = config.window
    assert window is not None
    _check(config, window)
    values = {name: _aggregate(name, text, stream) for name, text in config.aggregates.items()}
    function, start, end = _function(window, stream, keys)
    columns = [key.text for key in keys.values()]
    inner = [
        *columns,
        f"{start} AS `start_us`",
        f"{end} AS `end_us`",
        *(f"{value.text} AS {quoted(f'result_{name}')}" for name, value in values.items()),
    ]
    grouped = ", ".join(["window_start", "window_end", *columns])
    selected = ",\n    ".join(inner)
    query = f"FROM (\n  SELECT\n    {selected}\n  FROM TABLE({function})\n  GROUP BY {grouped}\n)"
    results = {n: Sql(quoted(f"result_{n}"), value.type) for n, value in values.items()}
    members = {
        **({"key": row(keys)} if keys else {}),
        "window": row({"start": Sql("`start_us`", BIGINT), "end": Sql("`end_us`", BIGINT)}),
        "values": row(results),
        "final": Sql("TRUE", BOOLEAN),
        "revision": Sql("0", INT),
    }
    return members, query


def _check(config: ProcessorConfig, window: WindowConfig) -> None:
    if window.type in ("count", "global"):
        raise ConfigError(
            f"Flink SQL has no {window.type} windows",
            remedy="Use a window of time, or run this processor in the bridge.",
        )
    if window.timezone is not None:
        raise ConfigError(
            "a window of Flink SQL has no timezone of its own",
            remedy="Leave out timezone, or run this processor in the bridge.",
        )
    if duration_us(config.allowed_lateness) > 0:
        raise ConfigError(
            "Flink SQL has no allowed_lateness for these windows",
            remedy="Leave it out; a larger out_of_orderness waits for late events instead.",
        )
    if config.emit != "final":
        raise ConfigError(
            "Flink SQL tells these windows once, when they are complete",
            remedy="Set emit: final, or run this processor in the bridge.",
        )


def _function(
    window: WindowConfig, stream: Stream, keys: Mapping[str, Sql]
) -> tuple[str, str, str]:
    """Return the table function, and start and end of its windows in microseconds."""
    events = f"TABLE {stream.name}"
    time = f"DESCRIPTOR({TIME})"
    if window.type == "session":
        gap = _milliseconds("window.gap", window.gap)
        if keys:
            events += f" PARTITION BY ({', '.join(key.text for key in keys.values())})"
        # Flink's own bounds are cut to milliseconds.
        bounds = f"MIN({MICROSECONDS})", f"MAX({MICROSECONDS}) + {gap * 1000}"
        return f"SESSION({events}, {time}, {interval(gap)})", *bounds
    size = _milliseconds("window.size", window.size)
    if window.type == "tumbling":
        lengths, every = [interval(size)], size
    else:
        assert isinstance(window.slide, str)
        every = _milliseconds("window.slide", window.slide)
        if size % every:
            raise ConfigError(
                "sliding windows of Flink SQL have a size that is a multiple of slide",
                remedy="Change window.size or window.slide.",
            )
        lengths = [interval(every), interval(size)]
    offset = 0 if window.offset is None else _milliseconds("window.offset", window.offset) % every
    if offset:
        lengths.append(interval(offset))
    name = "TUMBLE" if window.type == "tumbling" else "HOP"
    function = f"{name}({', '.join([events, time, *lengths])})"
    return function, _micros("window_start"), _micros("window_end")


def _micros(moment: str) -> str:
    """Return the microseconds since 1970 of a TIMESTAMP(3)."""
    return (
        f"UNIX_TIMESTAMP(SUBSTRING(CAST({moment} AS STRING), 1, 19)) * 1000000"
        f" + EXTRACT(MILLISECOND FROM {moment}) * 1000"
    )


def _milliseconds(setting: str, text: str | None) -> int:
    assert text is not None
    us = duration_us(text)
    if us % 1000:
        raise ConfigError(
            f"Flink counts in milliseconds, and {setting} is {text}", remedy="Round it."
        )
    return us // 1000


def _aggregate(name: str, text: str, stream: Stream) -> Sql:
    """Return an aggregate over the rows of a window."""
    call = read_call(text)
    function, column = call.function, f"value_{name}"
    value = Sql(quoted(column), stream.types[column]) if call.arguments else None
    kind = None if value is None else value.type.kind
    match function:
        case "count":
            return Sql("COUNT(*)" if value is None else f"COUNT({value.text})", BIGINT)
        case "count_distinct" if value is not None and kind not in ("digits", "opaque"):
            return Sql(f"COUNT(DISTINCT {value.text})", BIGINT)
        case "sum" if value is not None and kind in ("integer", "decimal", "float"):
            total = _sum_type(value.type)
            return Sql(f"SUM(CAST({value.text} AS {total}))", total)
        case "avg" if value is not None and kind == "float":
            return Sql(f"AVG(CAST({value.text} AS DOUBLE))", DOUBLE)
        case "avg" if value is not None and kind in ("integer", "decimal"):
            mean = decimal(MAX_DIGITS, max(_MEAN_SCALE, value.type.scale))
            return Sql(f"AVG(CAST({value.text} AS {mean}))", mean)
        case "min" | "max" if value is not None and kind in _COMPARED:
            return Sql(f"{function.upper()}({value.text})", value.type)
        case "sum" | "avg" | "min" | "max" | "count_distinct":
            found = "nothing" if value is None else str(value.type)
            raise ConfigError(
                f"aggregates.{name}: Flink SQL has no {function} of this ({found})",
                remedy="Cast it, or give a numeric column a precision: numeric(p, s).",
            )
        case _:
            raise ConfigError(
                f"aggregates.{name}: Flink SQL has no {function} that means the same",
                remedy="Leave it out, or run this processor in the bridge.",
            )


def _sum_type(source: FlinkType) -> FlinkType:
    """Return a type that a sum does not leave soon; Flink's own sum of INT is an INT."""
    if source.kind == "float":
        return DOUBLE
    if source.kind == "integer" and source is not BIGINT:
        return BIGINT
    if source is BIGINT:
        return WHOLE
    return decimal(MAX_DIGITS, source.scale)
