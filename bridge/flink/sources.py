"""The tables and views of Flink SQL that read what a processor looks at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from bridge.config.durations import duration_us
from bridge.config.inputs import COMMIT_TIME, PROCESSING_TIME, FromConfig, InputConfig
from bridge.core.errors import ConfigError
from bridge.core.relation import Relation, ReplicaIdentity
from bridge.core.table_patterns import TablePattern
from bridge.expressions.names import ROWS
from bridge.expressions.reading import read
from bridge.flink.expressions import Renderer
from bridge.flink.layouts import Changelog, Envelope, Flat, Layout
from bridge.flink.topics import Topics
from bridge.flink.types import FlinkType, interval, literal, quoted
from bridge.flink.values import Sql

TIME: Final = "`__time`"
"""Event time in a source and its view, in milliseconds, which is Flink's resolution."""
MICROSECONDS: Final = "`__us`"
"""The same in microseconds, as a number."""
IDENTITY: Final = "`__event_id`"
"""Tells events apart, and sorts as they stand in the stream."""

Mode: TypeAlias = Literal["append", "changelog"]

_SELECTED: Final = "`__selected`"


@dataclass(frozen=True, slots=True)
class Wanted:
    """An expression that a view is to have as a column.

    Attributes:
        text: the expression.
        rows: what can stand before a column in it.
    """

    text: str
    rows: tuple[str, ...] = ROWS


@dataclass(frozen=True, slots=True)
class Stream:
    """A view with one row for each event that counts.

    It has the columns ``TIME``, ``MICROSECONDS`` and ``IDENTITY`` beside those that were asked for.

    Attributes:
        name: of the view, quoted.
        types: of the columns that were asked for, by the names that they were asked for under.
        statements: what creates the view, and the tables below it.
    """

    name: str
    types: Mapping[str, FlinkType]
    statements: tuple[str, ...]


def make_stream(
    config: InputConfig,
    wanted: Mapping[str, Wanted],
    *,
    name: str,
    mode: Mode,
    out_of_orderness: str,
    max_ahead: str,
    relations: Sequence[Relation],
    topics: Topics,
) -> Stream:
    """Return the view of an input.

    Args:
        config: what is looked at.
        wanted: the columns of the view, by name.
        name: of the view; its tables are called after it.
        mode: whether rows stay true, or are taken back.
        out_of_orderness: as in the configuration.
        max_ahead: as in the configuration.
        relations: the tables of the database.
        topics: where their events are.

    Raises:
        ConfigError: Flink SQL cannot read the input, or not with the same meaning.
    """
    tables = matching(config, relations)
    types: dict[str, FlinkType] = {}
    statements, selects = [], []
    for number, relation in enumerate(tables, 1):
        source = f"{name}_source" if len(tables) == 1 else f"{name}_source_{number}"
        reader = _Reader(config, mode, relation, topics, source, duration_us(max_ahead))
        columns = {column: reader.value(each) for column, each in wanted.items()}
        for column, value in columns.items():
            if types.setdefault(column, value.type) != value.type:
                raise ConfigError(
                    f"{wanted[column].text} has several types: {types[column]} and {value.type}",
                    remedy="Cast it to one type.",
                )
        statements.append(reader.statement(duration_us(out_of_orderness)))
        selects.append(reader.select(columns))
    body = "\nUNION ALL\n".join(selects)
    statements.append(f"CREATE TEMPORARY VIEW {quoted(name)} AS\n{body};")
    return Stream(quoted(name), types, tuple(statements))


class _Reader:
    """Reads the events of one table."""

    def __init__(
        self,
        config: InputConfig,
        mode: Mode,
        relation: Relation,
        topics: Topics,
        source: str,
        max_ahead: int,
    ) -> None:
        self._config = config
        self._mode = mode
        self._source = quoted(source)
        self._operations = _operations(config, mode)
        self._options = topics.options(relation, self._operations, changelog=mode == "changelog")
        self._layout = _layout(relation, self._operations, mode, topics.format)
        ahead = f"{MICROSECONDS} - {self._layout.commit_us} <= {max_ahead}"
        self._in_time = [] if config.time == COMMIT_TIME else [ahead]

    def value(self, wanted: Wanted) -> Sql:
        """Return an expression over the row, of a known type."""
        tree = read(wanted.text, wanted.rows)
        return self._renderer(wanted.text).value(tree)

    def _renderer(self, text: str) -> Renderer:
        return Renderer(text, self._layout.column, self._layout.events)

    def statement(self, out_of_orderness: int) -> str:
        """Return what creates the table of the topic."""
        layout = self._layout
        time, us, needed = self._time()
        conditions = [layout.selects(self._operations), self._where(), *needed]
        selected = " AND ".join(condition for condition in conditions if condition) or "TRUE"
        moves = " AND ".join([_SELECTED, f"NOT ({layout.from_snapshot})", *self._in_time])
        # Flink takes a timestamp that equals the watermark for late: one millisecond more.
        delay = interval(-(-out_of_orderness // 1000) + 1)
        lines = [
            *layout.declarations(),
            f"{_SELECTED} AS {selected}",
            f"{TIME} AS {time}",
            f"{MICROSECONDS} AS {us}",
            f"WATERMARK FOR {TIME} AS CASE WHEN {moves} THEN {TIME} - {delay} END",
        ]
        return create_table(self._source, lines, {**self._options, **layout.options})

    def select(self, columns: Mapping[str, Sql]) -> str:
        """Return the query of the events that count."""
        lines = [TIME, MICROSECONDS, f"{self._layout.identity} AS {IDENTITY}"]
        lines += [f"{value.text} AS {quoted(name)}" for name, value in columns.items()]
        listed = ",\n  ".join(lines)
        counts = [_SELECTED, *(self._in_time if self._mode == "append" else ())]
        return f"SELECT\n  {listed}\nFROM {self._source}\nWHERE {' AND '.join(counts)}"

    def _where(self) -> str | None:
        text = self._config.where
        if text is None:
            return None
        return self._renderer(text).condition(read(text))

    def _time(self) -> tuple[str, str, list[str]]:
        """Return event time, its microseconds, and what has to hold for there to be one."""
        text, commit_us = self._config.time, self._layout.commit_us
        if text == COMMIT_TIME:
            return f"TO_TIMESTAMP_LTZ({commit_us} / 1000, 3)", commit_us, []
        if text == PROCESSING_TIME:
            raise ConfigError(
                "results by processing time are other ones in every run, on every engine",
                remedy="Set time to an expression, or leave it out for the time of the commit.",
            )
        value = self.value(Wanted(text))
        if value.type.kind not in ("timestamp", "instant"):
            raise ConfigError(f"{text} is {value.type}", remedy="Cast it to timestamptz.")
        # Flink demands a time of every row, also of those that do not count.
        time = f"COALESCE(CAST({value.text} AS TIMESTAMP_LTZ(3)), TO_TIMESTAMP_LTZ(0, 3))"
        # As a text, because Flink has no function from a timestamp to its microseconds.
        shown = f"CAST({value.text} AS STRING)"
        us = (
            f"UNIX_TIMESTAMP(SUBSTRING({shown}, 1, 19)) * 1000000"
            f" + CAST(SUBSTRING({shown}, 21, 6) AS BIGINT)"
        )
        return time, us, [f"{value.text} IS NOT NULL"]


def create_table(name: str, lines: Sequence[str], options: Mapping[str, str]) -> str:
    """Return the statement that creates a table.

    Args:
        name: quoted.
        lines: columns, watermarks and keys.
        options: of its connector.
    """
    body = ",\n  ".join(lines)
    listed = ",\n  ".join(f"{literal(key)} = {literal(value)}" for key, value in options.items())
    return f"CREATE TEMPORARY TABLE {name} (\n  {body}\n) WITH (\n  {listed}\n);"


def matching(config: FromConfig, relations: Sequence[Relation]) -> list[Relation]:
    """Return the tables of an input.

    Raises:
        ConfigError: there is none for one of its patterns.
    """
    patterns = [TablePattern.parse(text, setting="tables") for text in config.tables]
    found = [
        relation
        for relation in relations
        if any(p.matches(str(relation.schema), str(relation.table)) for p in patterns)
    ]
    for text, pattern in zip(config.tables, patterns, strict=True):
        if not any(pattern.matches(str(r.schema), str(r.table)) for r in found):
            raise ConfigError(
                f"no table is known that {text} names",
                remedy="Add it to the publication, or to the file of --schema.",
            )
    return found


def _operations(config: InputConfig, mode: Mode) -> tuple[str, ...]:
    if mode == "changelog":
        if config.operations is not None and len(set(config.operations)) < 4:
            raise ConfigError(
                "Flink SQL reads a changelog whole, not some of its operations",
                remedy="Leave out operations.",
            )
        return ("insert", "update", "delete", "read")
    return config.operations or ("insert", "read")


def _layout(relation: Relation, operations: Sequence[str], mode: Mode, fmt: str) -> Layout:
    if mode == "append":
        if fmt == "flat":
            return Flat(relation, operations)
        return Envelope(relation, operations, debezium=fmt == "debezium")
    if fmt != "debezium":
        raise ConfigError(
            f"Flink SQL reads a changelog in the format debezium, and this is {fmt}",
            remedy="Give Flink a Kafka sink with format: debezium.",
        )
    if relation.replica_identity is not ReplicaIdentity.FULL:
        raise ConfigError(
            f"{relation.qualified_name} does not send what a row was before it changed",
            remedy=f"ALTER TABLE {relation.qualified_name} REPLICA IDENTITY FULL;",
        )
    return Changelog(relation)
