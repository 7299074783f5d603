"""Joins in partitions: the same rows in the same order as in one piece, whatever is in memory."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.core.errors import EnvironmentProblem
from bridge.processing.events import StreamEvent
from bridge.processing.joins import IntervalJoin
from bridge.processing.partitions import PartitionMemory
from bridge.processing.partitions.joins import PartitionedJoin
from tests.unit.processing.joins import test_as_of_oracle, test_interval_oracle
from tests.unit.processing.joins.streams import Step
from tests.unit.processing.partitions.stored import StoredPartitions
from tests.unit.processing.partitions.twins import LIMITS, run_twins, stops

CASES = st.booleans().flatmap(
    lambda late: test_interval_oracle.cases(late=late) | test_as_of_oracle.cases(late=late)
)


def give(join: Any, step: Step) -> list[Any]:
    if step.side == "left":
        return shown(join.process_left(step.event, moves_time=moves(step)))
    if step.side == "right":
        return shown(join.process_right(step.event, moves_time=moves(step)))
    return shown(join.advance(step.watermark))


def moves(step: Step) -> bool:
    assert step.event is not None
    return step.event.sequence % 5 > 0


def shown(rows: list[Any]) -> list[Any]:
    return [(row.id, repr(tuple(row))) for row in rows]  # a NaN would not equal itself


def stats(join: Any) -> list[Any]:
    """Return what a join says of itself, but for what is kept: that may be a little more."""
    found = join.get_stats()
    sides = [(side.events, side.late, side.null_keys) for side in (found.left, found.right)]
    return [*sides, found.results, found.watermark]


def check(data: st.DataObject) -> None:
    case: Any = data.draw(CASES)
    run_twins(
        case.join,
        lambda memory: PartitionedJoin(case.join(), memory=memory, state_name="j-1"),
        give,
        lambda join: shown(join.flush()),
        case.steps,
        data.draw(stops(len(case.steps))),
        data.draw(LIMITS),
        stats,
    )


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_it_gives_what_one_piece_gives(data: st.DataObject) -> None:
    check(data)


@pytest.mark.nightly
@settings(max_examples=2000, deadline=None)
@given(st.data())
def test_it_gives_what_one_piece_gives_at_length(data: st.DataObject) -> None:
    check(data)


def near(store: StoredPartitions, limit: int) -> PartitionedJoin:
    join = IntervalJoin("left", before=10, after=10)
    return PartitionedJoin(join, memory=PartitionMemory(limit, store), state_name="j-1")


def test_a_partition_is_loaded_once_for_a_batch() -> None:
    store = StoredPartitions()
    join = near(store, limit=0)
    for number in range(2_000):
        join.process_left(StreamEvent((number,), 0, "order", sequence=number))
    assert join.flush() == []
    store.loads = 0
    for number in range(2_000):
        join.process_right(StreamEvent((number,), 5, "payment", sequence=number))
    rows = join.flush()
    assert [row.key for row in rows] == [(number,) for number in range(2_000)]
    assert 0 < store.loads <= 64


def test_time_alone_loads_a_partition_only_where_there_is_enough_to_drop() -> None:
    store = StoredPartitions()
    memory = PartitionMemory(0, store)
    join = PartitionedJoin(IntervalJoin(before=800, after=800), memory=memory, state_name="j-1")
    for number in range(6_400):
        join.process_left(StreamEvent((number,), number // 8, "order", sequence=number))
    join.flush()
    store.loads = 0
    for watermark in range(800, 1_801):
        join.advance(watermark)
        join.flush()
    assert join.get_stats().left.kept == 0
    assert 0 < store.loads <= 64 * 5


def test_a_join_in_one_piece_refuses_partitions() -> None:
    state = near(StoredPartitions(), limit=0).snapshot()
    with pytest.raises(EnvironmentProblem, match="'join' is stored in partitions"):
        IntervalJoin().restore(state)
