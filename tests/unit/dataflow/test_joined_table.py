"""The table of a join in partitions gives what one in memory gives, whatever is stored."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.core.errors import EnvironmentProblem
from bridge.dataflow.joined_table import TableInMemory
from bridge.dataflow.partitioned_table import PartitionedTable
from bridge.processing.events import StreamEvent
from bridge.processing.joins import JoinType
from bridge.processing.partitions import PartitionMemory
from tests.unit.dataflow.shop import CUSTOMERS
from tests.unit.processing.partitions.stored import StoredPartitions
from tests.unit.processing.partitions.twins import LIMITS, run_twins, stops

KEYS = st.sampled_from([("Ada",), ("Bob",), ("Eve",), (1,), (1.0,), (float("nan"),)])
IDENTITIES = st.tuples(st.sampled_from(["public.customers", "public.old"]), st.sampled_from("1234"))
VALUES = st.tuples(st.none() | st.sampled_from("xyz"), st.sampled_from("uvw"))
ROWS = st.none() | st.builds(StreamEvent, KEYS, st.just(0), VALUES)
STEPS = st.lists(
    st.tuples(st.just("replace"), IDENTITIES, st.booleans(), IDENTITIES, ROWS)
    | st.tuples(st.just("event"), KEYS | st.just((None,)), st.integers(0, 99))
    | st.tuples(st.just("truncate"), st.sampled_from(["public.customers", "public.old"])),
    max_size=30,
)


def complete(value: Any, kept: Any, relation: Any) -> Any:
    return tuple(
        before if piece is None else piece for piece, before in zip(value, kept, strict=True)
    )


class Table:
    """A table as an operator."""

    def __init__(self, table: Any) -> None:
        self.table = table

    def take_late(self) -> list[Any]:
        return []

    def get_stats(self) -> tuple[int, ...]:
        stats = self.table.get_stats()
        return stats.events, stats.null_keys, stats.results, stats.rows

    def snapshot(self) -> Any:
        return self.table.snapshot()

    def restore(self, state: Any) -> None:
        self.table.restore(state)


def give(operator: Table, step: tuple[Any, ...]) -> list[Any]:
    table = operator.table
    table.loaded()
    if step[0] == "event":
        return shown(table.process(StreamEvent(step[1], step[2], "order")))
    if step[0] == "truncate":
        table.truncate(step[1])
    else:
        _, identity, moves, other, row = step
        table.replace(other if moves else identity, identity, row, CUSTOMERS)
    return []


def shown(rows: list[Any]) -> list[Any]:
    return [(row.id, repr(tuple(row))) for row in rows]


def check(data: st.DataObject) -> None:
    steps = data.draw(STEPS)
    definition = JoinType.Table(data.draw(st.sampled_from(["inner", "left"])))
    run_twins(
        lambda: Table(TableInMemory("t", definition, complete)),
        lambda memory: Table(
            PartitionedTable("t", definition, complete, memory=memory, state_name="t-1")
        ),
        give,
        lambda operator: shown(operator.table.flush()),
        steps,
        data.draw(stops(len(steps))),
        data.draw(LIMITS),
    )


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_it_gives_what_one_in_memory_gives(data: st.DataObject) -> None:
    check(data)


@pytest.mark.nightly
@settings(max_examples=2000, deadline=None)
@given(st.data())
def test_it_gives_what_one_in_memory_gives_at_length(data: st.DataObject) -> None:
    check(data)


def test_a_partition_is_loaded_once_for_a_batch() -> None:
    store = StoredPartitions()
    table = PartitionedTable(
        "t",
        JoinType.Table("inner"),
        complete,
        memory=PartitionMemory(0, store),
        state_name="t-1",
    )

    def change_all(value: str) -> None:
        for number in range(1_000):
            identity = ("public.customers", str(number))
            row = StreamEvent((f"customer {number}",), 0, (None, value))
            table.replace(identity, identity, row, CUSTOMERS)

    change_all("before")
    table.flush()
    store.loads = 0
    change_all("after")
    for number in range(1_000):
        table.process(StreamEvent((f"customer {number}",), number, "order"))
    rows = table.flush()
    assert [row.right.value for row in rows if row.right] == [(None, "after")] * 1_000
    assert 0 < store.loads <= 2 * 64


def test_a_table_in_memory_refuses_partitions() -> None:
    definition = JoinType.Table("inner")
    memory = PartitionMemory(0, StoredPartitions())
    state = PartitionedTable("t", definition, complete, memory=memory, state_name="t-1").snapshot()
    with pytest.raises(EnvironmentProblem, match="'t' is stored in partitions"):
        TableInMemory("t", definition, complete).restore(state)
