"""Interval joins as Flink SQL.

https://nightlies.apache.org/flink/flink-docs-stable/docs/dev/table/sql/queries/joins/
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

from bridge.config.durations import duration_us
from bridge.config.inputs import InputConfig
from bridge.config.processors import ProcessorConfig
from bridge.core.errors import ConfigError
from bridge.core.relation import Relation
from bridge.expressions import compile_value
from bridge.flink.keys import key_columns, key_values
from bridge.flink.results import row
from bridge.flink.sources import MICROSECONDS, TIME, Stream, Wanted, matching
from bridge.flink.types import BIGINT, interval, quoted
from bridge.flink.values import EXACT, Sql

MakeStream: TypeAlias = Callable[[InputConfig, Mapping[str, Wanted], str], Stream]
"""Makes the view of an input from the columns that it is to have, and its name."""

_SIDES: Final = ("left", "right")
_WORDS: Final = {"inner": "JOIN", "left": "LEFT JOIN", "right": "RIGHT JOIN", "full": "FULL JOIN"}


def interval_joined(
    config: ProcessorConfig, make: MakeStream, relations: Sequence[Relation]
) -> tuple[list[Stream], dict[str, Sql], str]:
    """Return the views of both sides, the members of a result, and the query behind them.

    Raises:
        ConfigError: Flink SQL has no such join, or one that means something else.
    """
    join, left, right = config.join, config.left, config.right
    assert join is not None
    assert left is not None
    assert right is not None
    if join.type != "interval":
        raise ConfigError(
            f"Flink SQL has no join of the type {join.type} with the same results: its versions"
            " of a row begin at whole milliseconds, and come in no order of the stream",
            remedy="Use type: interval, or run this processor in the bridge.",
        )
    if not left.key:
        raise ConfigError("Flink SQL joins by a key.", remedy="Give both sides a key.")
    wanted = _wanted(config, {"left": left, "right": right}, relations)
    streams = {
        side: make(source, {**key_columns(source), **wanted[side]}, f"{config.name}_{side}")
        for side, source in (("left", left), ("right", right))
    }
    keys = {
        side: list(_aliased(side, key_values(source, streams[side])).items())
        for side, source in (("left", left), ("right", right))
    }
    pairs = list(zip(keys["left"], keys["right"], strict=True))
    for (name, one), (other_name, other) in pairs:
        if not _comparable(one, other):
            raise ConfigError(
                f"the key joins {name} ({one.type}) to {other_name} ({other.type})",
                remedy="Cast one of them to the type of the other.",
            )
    before, after = (0 if t is None else duration_us(t) for t in (join.before, join.after))
    conditions = [f"{one.text} = {other.text}" for (_, one), (_, other) in pairs]
    conditions += [
        # In milliseconds, for Flink to know what it can forget.
        f"{_of('right', TIME)} BETWEEN {_moved('-', before)} AND {_moved('+', after)}",
        # In microseconds, which decides.
        f"{_of('right', MICROSECONDS)} - {_of('left', MICROSECONDS)} BETWEEN {-before} AND {after}",
    ]
    query = "\n".join(
        [
            f"FROM {streams['left'].name} AS `left`",
            f"{_WORDS[join.how]} {streams['right'].name} AS `right`",
            f"ON {f'{chr(10)}  AND '.join(conditions)}",
        ]
    )
    us = {side: _of(side, MICROSECONDS) for side in _SIDES}
    later = (
        f"CASE WHEN {us['right']} IS NULL OR {us['left']} > {us['right']}"
        f" THEN {us['left']} ELSE {us['right']} END"
    )
    key = {
        name: Sql(f"COALESCE({one.text}, {other.text})", one.type)
        for (name, one), (_, other) in pairs
    }
    members = {"key": row(key), "timestamp": Sql(later, BIGINT)}
    return list(streams.values()), members | _selected(config, streams, wanted), query


def _comparable(one: Sql, other: Sql) -> bool:
    kinds = {one.type.kind, other.type.kind}
    return len(kinds) == 1 or kinds <= {*EXACT} or kinds <= {"text", "name"}


def _wanted(
    config: ProcessorConfig, inputs: Mapping[str, InputConfig], relations: Sequence[Relation]
) -> dict[str, dict[str, Wanted]]:
    """Return by side the columns that results show."""
    if not config.select:
        return {side: row_columns(source, relations) for side, source in inputs.items()}
    found: dict[str, dict[str, Wanted]] = {side: {} for side in _SIDES}
    for name, text in config.select.items():
        sides = {side for side, _ in compile_value(text, rows=_SIDES).columns}
        if len(sides) != 1:
            raise ConfigError(
                f"select.{name}: {text!r} reads both sides, or none",
                remedy="Write an expression over one side, such as left.id.",
            )
        found[sides.pop()][f"value_{name}"] = Wanted(text, _SIDES)
    return found


def row_columns(source: InputConfig, relations: Sequence[Relation]) -> dict[str, Wanted]:
    """Return all columns of the only table of an input.

    Raises:
        ConfigError: it has several tables.
    """
    tables = matching(source, relations)
    if len(tables) > 1:
        raise ConfigError(
            "Flink SQL cannot show whole rows of several tables",
            remedy="Name one table, or write select.",
        )
    return {
        f"value_{column.name}": Wanted('"' + column.name.replace('"', '""') + '"')
        for column in tables[0].columns
    }


def _selected(
    config: ProcessorConfig,
    streams: Mapping[str, Stream],
    wanted: Mapping[str, Mapping[str, Wanted]],
) -> dict[str, Sql]:
    """Return the members with the values of both sides."""
    values = {
        side: {
            column.removeprefix("value_"): Sql(
                _of(side, quoted(column)), streams[side].types[column]
            )
            for column in wanted[side]
        }
        for side in _SIDES
    }
    if config.select:
        every = values["left"] | values["right"]
        return {"values": row({name: every[name] for name in config.select})}
    members = {}
    for side in _SIDES:
        whole = row(values[side])
        alone = f"CASE WHEN {_of(side, MICROSECONDS)} IS NOT NULL THEN {whole.text} END"
        members[side] = Sql(alone, whole.type)
    return members


def _aliased(side: str, values: Mapping[str, Sql]) -> dict[str, Sql]:
    return {name: Sql(_of(side, value.text), value.type) for name, value in values.items()}


def _of(side: str, column: str) -> str:
    return f"{quoted(side)}.{column}"


def _moved(sign: str, us: int) -> str:
    """Return the time of the left side moved by at least so many microseconds."""
    milliseconds = -(-us // 1000)
    moment = _of("left", TIME)
    return f"{moment} {sign} {interval(milliseconds)}" if milliseconds else moment
