"""Patterns as Flink SQL: MATCH_RECOGNIZE.

https://nightlies.apache.org/flink/flink-docs-stable/docs/dev/table/sql/queries/match_recognize/

Its variables follow each other directly and take each event of the key. What lies between two
events of a relaxed pattern is therefore taken by a variable of its own, which accepts what the
next event of the pattern does not: so there is one way to read the events, and no choice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from bridge.config.durations import duration_us
from bridge.config.patterns import PatternConfig, SkipConfig, StepConfig
from bridge.config.processors import ProcessorConfig
from bridge.core.errors import ConfigError
from bridge.core.relation import Relation
from bridge.expressions.names import ROWS
from bridge.expressions.reading import read
from bridge.expressions.tree import ColumnName, Earlier, Node, walk
from bridge.flink.expressions import Renderer
from bridge.flink.joins import MakeStream, row_columns
from bridge.flink.keys import key_columns, key_values
from bridge.flink.results import row, rows
from bridge.flink.sources import IDENTITY, MICROSECONDS, TIME, Stream, Wanted
from bridge.flink.types import BIGINT, INT, UNKNOWN, interval, quoted
from bridge.flink.values import Sql

_NEGATIVE: Final = ("not_next", "not_followed_by")


@dataclass(slots=True)
class _Taken:
    """One event of a match.

    Attributes:
        step: that takes it.
        variable: of MATCH_RECOGNIZE.
        relaxed: whether other events may lie before it.
        unless: steps whose events must not come before it, nor be it.
    """

    step: StepConfig
    variable: str
    relaxed: bool
    unless: tuple[StepConfig, ...] = ()


@dataclass(frozen=True, slots=True)
class _Definition:
    """A pattern over the columns of a view.

    Attributes:
        stream: the view.
        taken: the events of a match in their order.
        conditions: by the text of a condition that reads one event alone, its column.
        trees: the other conditions.
        steps: names of the steps.
    """

    stream: Stream
    taken: tuple[_Taken, ...]
    conditions: Mapping[str, str]
    trees: Mapping[str, Node] = field(default_factory=dict)

    def accepts(self, step: StepConfig, variable: str, before: Sequence[_Taken]) -> str:
        """Return the condition under which an event is one of a step.

        Args:
            step: the step.
            variable: that would take the event.
            before: the events that were taken before it.
        """
        every = [self._condition(text, variable, before) for text in _texts(step.where)]
        found = " AND ".join(every) or "TRUE"
        others = [self._condition(text, variable, before) for text in _texts(step.or_where)]
        return " OR ".join([f"({found})", *others]) if others else found

    def _condition(self, text: str, variable: str, before: Sequence[_Taken]) -> str:
        column = self.conditions.get(text)
        if column is not None:
            return f"{variable}.{quoted(column)}"

        def read_column(node: ColumnName) -> Sql:
            column = f"value_{node.name}"
            if node.row == "old" or column not in self.stream.types:
                raise ConfigError("beside earlier events, Flink SQL reads columns of the new row")
            return Sql(f"{variable}.{quoted(column)}", self.stream.types[column])

        def read_earlier(node: Earlier) -> Sql:
            return self._earlier(node, before)

        return Renderer(text, read_column, {}, read_earlier).condition(self.trees[text])

    def _earlier(self, node: Earlier, before: Sequence[_Taken]) -> Sql:
        taken = [each.variable for each in before if each.step.name == node.step]
        if node.function == "count":
            return Sql(str(len(taken)), INT)
        if node.function == "sum" and len(taken) > 1:
            raise ConfigError(
                f"Flink SQL is not given {node.label} over several events",
                remedy="Use first, last or count, or run this processor in the bridge.",
            )
        if not taken:
            return Sql("NULL", UNKNOWN)
        column = f"value_{node.column}"
        if column not in self.stream.types:
            raise ConfigError(f"there is no column {node.column}")
        variable = taken[0 if node.function == "first" else -1]
        return Sql(f"{variable}.{quoted(column)}", self.stream.types[column])


def matched(
    config: ProcessorConfig, make: MakeStream, relations: Sequence[Relation]
) -> tuple[list[Stream], dict[str, Sql], str]:
    """Return the view, the members of a match, and the query behind them.

    Raises:
        ConfigError: MATCH_RECOGNIZE cannot express the pattern, or would find other matches.
    """
    pattern = config.pattern
    assert pattern is not None
    taken = _events(pattern)
    source = config.input
    columns = row_columns(source, relations)
    conditions, trees = _conditions(pattern)
    wanted = {column: Wanted(text) for text, column in conditions.items()}
    stream = make(source, {**key_columns(source), **columns, **wanted}, f"{config.name}_events")
    definition = _Definition(stream, taken, conditions, trees)
    keys = key_values(source, stream)
    query = _query(pattern, definition, keys, list(columns))
    first, last = taken[0].variable, taken[-1].variable
    events: dict[str, list[dict[str, Sql]]] = {}
    for each in taken:
        event = {
            column.removeprefix("value_"): Sql(
                _measure(each.variable, column), stream.types[column]
            )
            for column in columns
        }
        events.setdefault(each.step.name, []).append(event)
    members = {
        **({"key": row(keys)} if keys else {}),
        "start": Sql(_measure(first, MICROSECONDS), BIGINT),
        "end": Sql(_measure(last, MICROSECONDS), BIGINT),
        "events": rows(events),
    }
    return [stream], members, query


def _query(
    pattern: PatternConfig,
    definition: _Definition,
    keys: Mapping[str, Sql],
    columns: Sequence[str],
) -> str:
    taken = definition.taken
    measures = [
        f"{each.variable}.{quoted(column)} AS {_measure(each.variable, column)}"
        for each in taken
        for column in columns
    ]
    for variable in dict.fromkeys((taken[0].variable, taken[-1].variable)):
        measures.append(f"{variable}.{MICROSECONDS} AS {_measure(variable, MICROSECONDS)}")
    sequence, defined = [], []
    for index, each in enumerate(taken):
        before = taken[:index]
        accepts = definition.accepts(each.step, each.variable, before)
        refuses = [definition.accepts(step, each.variable, before) for step in each.unless]
        if each.relaxed:
            between = f"between_{index}"
            passed = [
                definition.accepts(step, between, before) for step in (each.step, *each.unless)
            ]
            nothing = " AND ".join(f"({condition}) IS NOT TRUE" for condition in passed)
            defined.append(f"{between} AS {nothing}")
            sequence.append(f"{between}*")
        ends = "" if index < len(taken) - 1 else _in_time(pattern, taken)
        condition = " AND ".join([f"({accepts})", *(f"({r}) IS NOT TRUE" for r in refuses)])
        defined.append(f"{each.variable} AS {condition}{ends}")
        sequence.append(each.variable)
    within = ""
    if pattern.within is not None:
        # In milliseconds, for Flink to know what it can forget; _in_time decides.
        within = f"\n  WITHIN {interval(-(-duration_us(pattern.within) // 1000) + 1)}"
    partition = f"\n  PARTITION BY {', '.join(k.text for k in keys.values())}" if keys else ""
    listed, definitions = ",\n    ".join(measures), ",\n    ".join(defined)
    return (
        f"FROM {definition.stream.name}\nMATCH_RECOGNIZE ({partition}"
        f"\n  ORDER BY {TIME}, {MICROSECONDS}, {IDENTITY}"
        f"\n  MEASURES\n    {listed}\n  ONE ROW PER MATCH"
        f"\n  AFTER MATCH {_skip(pattern, taken)}"
        f"\n  PATTERN ({' '.join(sequence)}){within}"
        f"\n  DEFINE\n    {definitions}\n)"
    )


def _in_time(pattern: PatternConfig, taken: Sequence[_Taken]) -> str:
    if pattern.within is None or len(taken) == 1:
        return ""
    first, last = taken[0].variable, taken[-1].variable
    length = duration_us(pattern.within)
    return f" AND {last}.{MICROSECONDS} - {first}.{MICROSECONDS} < {length}"


def _measure(variable: str, column: str) -> str:
    return quoted(f"{variable}_{column.strip('`')}")


def _skip(pattern: PatternConfig, taken: Sequence[_Taken]) -> str:
    """Return where Flink goes on. Each first event has one match at most, so none is skipped."""
    skip = pattern.skip
    if skip == "past_last_event":
        return "SKIP PAST LAST ROW"
    if isinstance(skip, SkipConfig):
        name = skip.to_first or skip.to_last
        of_step = [each.variable for each in taken if each.step.name == name]
        if not of_step:
            raise ConfigError(f"pattern.skip names {name}, which takes no event")
        variable = of_step[0 if skip.to_first else -1]
        if variable != taken[0].variable:
            return f"SKIP TO FIRST {variable}"
    return "SKIP TO NEXT ROW"


def _conditions(pattern: PatternConfig) -> tuple[dict[str, str], dict[str, Node]]:
    """Return the conditions of one event by their columns, and those that see earlier events."""
    steps = [step.name for step in pattern.steps]
    alone: dict[str, str] = {}
    trees: dict[str, Node] = {}
    for step in pattern.steps:
        for text in (*_texts(step.where), *_texts(step.or_where)):
            tree = read(text, ROWS, steps)
            if any(isinstance(node, Earlier) for node in walk(tree)):
                trees[text] = tree
            else:
                alone.setdefault(text, f"is_{len(alone) + 1}")
    return alone, trees


def _texts(where: str | tuple[str, ...]) -> tuple[str, ...]:
    return (where,) if isinstance(where, str) else where


def _events(pattern: PatternConfig) -> tuple[_Taken, ...]:
    """Return the events of a match.

    Raises:
        ConfigError: how many there are, or which, depends on more than MATCH_RECOGNIZE can say.
    """
    taken: list[_Taken] = []
    unless: list[StepConfig] = []
    for step in pattern.steps:
        _check(step)
        if step.kind in _NEGATIVE:
            if step.kind == "not_next" or (taken and taken[-1].step.times not in (None, 1)):
                raise _inexpressible(step, f"{step.kind} here")
            unless.append(step)
            continue
        times = 1 if step.times is None else step.times
        assert isinstance(times, int)
        for number in range(1, times + 1):
            relaxed = step.kind == "followed_by" if number == 1 else not step.consecutive
            variable = f"event_{len(taken) + 1}"
            taken.append(_Taken(step, variable, relaxed, tuple(unless)))
            unless = []
    if unless:
        raise _inexpressible(unless[0], "not_followed_by at the end")
    return tuple(taken)


def _check(step: StepConfig) -> None:
    for setting in ("optional", "one_or_more", "times_or_more", "allow_combinations", "until",
                    "greedy", "tables", "operations"):  # fmt: skip
        if getattr(step, setting) not in (False, None):
            raise _inexpressible(step, setting)
    if step.kind == "followed_by_any":
        raise _inexpressible(step, step.kind)
    if isinstance(step.times, tuple) or step.times == 0:
        raise _inexpressible(step, "a number of times that is not fixed")


def _inexpressible(step: StepConfig, what: str) -> ConfigError:
    return ConfigError(
        f"the step {step.name} has {what}, and MATCH_RECOGNIZE has nothing that means the same",
        remedy="Write the pattern with begin, next, followed_by, not_followed_by and fixed times, "
        "or run this processor in the bridge.",
    )
