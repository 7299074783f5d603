"""Joins of what functions keep of changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from bridge.config.inputs import COMMIT_TIME
from bridge.core.errors import BridgeError
from bridge.core.events import Position
from bridge.core.relation import Relation
from bridge.dataflow.dataflow import Dataflow
from bridge.dataflow.inputs import Input
from bridge.dataflow.join_output import JoinParts
from bridge.dataflow.join_sides import check_keys
from bridge.dataflow.joins import make_stream_join
from bridge.dataflow.python.definition import Joined, ProcessorInput, PythonProcessor
from bridge.dataflow.python.inputs import (
    foreign_type,
    guarded,
    kept,
    make_python_input,
    whole_row,
)
from bridge.dataflow.results import to_json
from bridge.dataflow.table_joins import (
    TABLE_OPERATIONS,
    TableJoinDataflow,
    check_table_sides,
    make_table,
)
from bridge.processing.events import StreamEvent
from bridge.processing.joins import JoinType
from bridge.processing.joins.inputs import Side
from bridge.processing.partitions import PartitionMemory
from bridge.processing.time import microseconds


def make_python_join(
    processor: PythonProcessor,
    made: Joined,
    *,
    sinks: tuple[str, ...],
    late_sinks: tuple[str, ...],
    memory: PartitionMemory | None,
) -> Dataflow:
    """Return the dataflow of a definition with a join.

    Args:
        processor: the function with its definition.
        made: the definition.
        sinks: names of those that get results.
        late_sinks: names of those that get late events.
        memory: for the state; None to keep all of it.

    Raises:
        ConfigError: the definition is wrong.
    """
    left, right = made.left, made.right
    check_keys(len(left.key), len(right.key), processor.name)
    if isinstance(made.join, JoinType.Table):
        check_table_sides(
            processor.name,
            operations=(left.operations, right.operations),
            by_commits=(left.time == COMMIT_TIME, right.time == COMMIT_TIME),
        )
        left = replace(left, operations=left.operations or ("insert",))
        right = replace(right, operations=TABLE_OPERATIONS)
    parts = JoinParts(
        name=processor.name,
        state_name=processor.state_name,
        place=f"Processor {processor.name!r}",
        left=_side(processor, left, "left"),
        right=_side(processor, right, "right"),
        members=JoinedRows(processor.function).members,
        sinks=sinks,
        late_sinks=late_sinks,
    )
    if isinstance(made.join, JoinType.Table):
        complete = _completed_row if right.value is None else _as_it_is
        table = make_table(parts, made.join, complete, memory)
        return TableJoinDataflow(parts, table, needs_rows=tuple(right.tables))
    lag = microseconds(processor.out_of_orderness, "out_of_orderness", minimum=0)
    return make_stream_join(parts, made.join, lag, memory)


def _side(processor: PythonProcessor, given: ProcessorInput, side: Side) -> Input:
    value = whole_row if given.value is None else guarded(given.value, f"{side}.value")
    return make_python_input(
        given,
        kept(value),
        processor=processor.name,
        max_ahead=microseconds(processor.max_ahead, "max_ahead", minimum=0),
        place=f"{side}.",
    )


def _completed_row(row: Any, before: Any, relation: Relation) -> dict[str, Any]:
    """Return a row with the columns that were not sent as they were before."""
    whole = {**before, **row}
    return {column.name: whole[column.name] for column in relation.columns if column.name in whole}


def _as_it_is(value: Any, before: Any, relation: Relation) -> Any:
    return value


class JoinedRows:
    """Gives the rows of a join to the function, and shows what it returns.

    Args:
        function: of what is kept of the left event and of the right one, None for a side without
            a partner.
    """

    def __init__(self, function: Callable[[Any, Any], Any]) -> None:
        self._function = function

    def members(self, left: StreamEvent | None, right: StreamEvent | None) -> str | None:
        """Return the members of a result that show the rows; None for no result.

        Raises:
            BridgeError: the function failed, or gave what is no mapping of plain data. No event
                alone is to blame, so none can be left out as a dead letter.
        """
        try:
            values = self._function(_value(left), _value(right))
        except Exception as error:  # without its text, which may quote a value
            raise _refused(f"failed with {type(error).__name__}", left, right) from None
        if values is None:
            return None
        foreign = foreign_type(values)
        if foreign is None and not isinstance(values, Mapping):
            foreign = type(values).__name__
        if foreign is not None:
            raise _refused(f"gave a {foreign}, in place of values by name", left, right)
        return f'"values":{to_json(values)}'


def _value(event: StreamEvent | None) -> Any:
    return None if event is None else event.value


def _refused(why: str, left: StreamEvent | None, right: StreamEvent | None) -> BridgeError:
    events = [
        f"the {side} event at {Position(event.sequence >> 32, event.sequence & 0xFFFFFFFF)}"
        for side, event in (("left", left), ("right", right))
        if event is not None
    ]
    return BridgeError(
        f"the function {why} for {' and '.join(events)}.",
        remedy="Let it return None where it has no answer. Nothing is lost: the changes come again "
        "at the next start.",
    )
