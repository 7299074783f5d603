"""An operator in one piece and one in partitions that are given the same, with stops between."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal, TypeAlias

from hypothesis import strategies as st

from bridge.processing.partitions import PartitionMemory
from bridge.processing.state.codec import decode, encode
from tests.unit.processing.partitions.stored import StoredPartitions

NOTHING_IN_MEMORY = 0
EVERYTHING_IN_MEMORY = 1 << 40
LIMITS = st.sampled_from([NOTHING_IN_MEMORY, 20_000, EVERYTHING_IN_MEMORY])

Stop: TypeAlias = Literal["flush", "checkpoint", "crash", "migrate"]

Give: TypeAlias = Callable[[Any, Any], list[Any]]
"""Gives an operator a step, and returns what it tells at once, in a form to compare."""

Flush: TypeAlias = Callable[[Any], list[Any]]
"""Returns what an operator has gathered, in the same form."""


def stops(size: int) -> st.SearchStrategy[dict[int, Stop]]:
    """Draw where batches end among so many steps, and what happens there."""
    kinds: list[Stop] = ["flush", "flush", "checkpoint", "crash", "migrate"]
    return st.dictionaries(st.integers(0, size), st.sampled_from(kinds), max_size=8)


def run_twins(
    make: Callable[[], Any],
    make_partitioned: Callable[[PartitionMemory], Any],
    give: Give,
    flush: Flush,
    steps: Iterable[Any],
    stops: dict[int, Stop],
    limit: int,
    stats: Callable[[Any], Any] = lambda operator: operator.get_stats(),
) -> None:
    """Give both the same, and check that both tell the same in the same order.

    At a *crash* both go back to the last checkpoint; at a *migration* the one in partitions goes
    on from the state of the one in one piece, as after a limit was set.
    """
    plain, store = make(), StoredPartitions()
    memory = PartitionMemory(limit, store)
    partitioned = make_partitioned(memory)
    at_checkpoint = plain.snapshot()
    store.checkpoint(memory, partitioned.snapshot())
    expected: list[Any] = []
    given: list[Any] = []
    all_steps = list(steps)
    for number in range(len(all_steps) + 1):
        stop = stops.get(number, "flush" if number == len(all_steps) else None)
        if stop is not None:
            given += flush(partitioned)
            assert given == expected
            assert partitioned.take_late() == plain.take_late()
            assert stats(partitioned) == stats(plain)
        if stop == "checkpoint":
            at_checkpoint = decode(encode(plain.snapshot(), "plain"), "plain")
            store.checkpoint(memory, partitioned.snapshot())
        elif stop == "crash":
            plain = make()
            plain.restore(at_checkpoint)
            memory = PartitionMemory(limit, store)
            partitioned = make_partitioned(memory)
            partitioned.restore(store.head())
        elif stop == "migrate":
            state = decode(encode(plain.snapshot(), "plain"), "plain")
            at_checkpoint, store = state, StoredPartitions()
            memory = PartitionMemory(limit, store)
            partitioned = make_partitioned(memory)
            partitioned.restore(state)
            store.checkpoint(memory, partitioned.snapshot())
        if number < len(all_steps):
            expected += give(plain, all_steps[number])
            given += give(partitioned, all_steps[number])
