"""State in partitions: the same answers as in one piece, whatever is in memory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import event as seen
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.core.errors import BridgeError, EnvironmentProblem
from bridge.processing import AggregationFunction, StreamEvent, StreamProcessor, WindowType
from bridge.processing.aggregates import Unaggregatable
from bridge.processing.partitions import PartitionedProcessor, PartitionMemory
from bridge.processing.partitions.keys import PARTITIONS, partition_of
from bridge.processing.windows import WindowResult
from tests.unit.processing.partitions.stored import StoredPartitions

NAN = float("nan")
KEYS: tuple[Any, ...] = (
    *((number,) for number in range(12)), ("a", 1), ("a", 1.0), ("b", None), (Decimal("NaN"),),
    (NAN,), (-0.0,), None, "text", b"bytes",
)  # fmt: skip
AGGREGATES = {"n": AggregationFunction.Count(), "all": AggregationFunction.Collect(limit=50)}
WINDOWS: tuple[tuple[Any, dict[str, Any]], ...] = (
    (WindowType.Tumbling(10), {}),
    (WindowType.Tumbling(10), {"emit": "updates", "allowed_lateness": 7}),
    (WindowType.Sliding(10, 4), {}),
    (WindowType.Sliding(12, 4), {"allowed_lateness": 5}),
    (WindowType.Sliding(10, 4), {"emit": "updates"}),
    (WindowType.Session(6), {}),
    (WindowType.Session(6), {"emit": "updates", "allowed_lateness": 8}),
    (WindowType.Count(3), {}),
    (WindowType.Count(4, 2), {"emit": "updates"}),
    (WindowType.Global(), {"emit": "updates"}),
)
NOTHING_IN_MEMORY = 0
EVERYTHING_IN_MEMORY = 1 << 40

events = st.builds(
    StreamEvent,
    key=st.sampled_from(KEYS),
    timestamp=st.integers(0, 60),
    value=st.integers(0, 9),
    weight=st.just(1),
    sequence=st.just(0),
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("batch"), st.lists(events, max_size=25), st.booleans()),
        st.tuples(st.just("advance"), st.integers(0, 70)),
        st.tuples(st.just("checkpoint")),
        st.tuples(st.just("restart")),
    ),
    max_size=10,
)


def lag_of(window: Any) -> dict[str, int]:
    timeless = isinstance(window, WindowType.Count | WindowType.Global)
    return {} if timeless else {"out_of_orderness": 3}


def make_plain(index: int) -> StreamProcessor:
    window, options = WINDOWS[index]
    return StreamProcessor(window, AGGREGATES, name="p", **options, **lag_of(window))


def make_partitioned(index: int, memory: PartitionMemory) -> PartitionedProcessor:
    window, options = WINDOWS[index]
    return PartitionedProcessor(
        window, AGGREGATES, memory=memory, state_name="p-1", name="p", **options, **lag_of(window)
    )


def in_order_of_keys(results: Sequence[WindowResult]) -> dict[Any, list[tuple[Any, ...]]]:
    """Return the results of each key in their order."""
    found = defaultdict(list)
    for result in results:
        found[repr(result.key)].append((result.id, repr(result)))
        found[repr(result.key)].append((repr(result.values), result.final))
    return found


def shown(late: Sequence[StreamEvent]) -> list[str]:
    return list(map(repr, late))


@settings(deadline=None)
@given(
    index=st.integers(0, len(WINDOWS) - 1),
    steps=steps,
    limit=st.sampled_from([NOTHING_IN_MEMORY, 20_000, EVERYTHING_IN_MEMORY]),
)
def test_it_gives_what_one_piece_gives(index: int, steps: list[Any], limit: int) -> None:
    plain, store = make_plain(index), StoredPartitions()
    memory = PartitionMemory(limit, store)
    partitioned = make_partitioned(index, memory)
    at_checkpoint = plain.snapshot()
    store.checkpoint(memory, partitioned.snapshot())
    for step, *arguments in steps:
        expected: list[WindowResult] = []
        given: list[WindowResult] = []
        if step == "batch":
            batch, moves_time = arguments
            for event in batch:
                expected += plain.process_batch([event], moves_time=moves_time)
            given = partitioned.process_batch(batch, moves_time=moves_time)
        elif step == "advance":
            expected, given = plain.advance(*arguments), partitioned.advance(*arguments)
        elif step == "checkpoint":
            at_checkpoint = plain.snapshot()
            store.checkpoint(memory, partitioned.snapshot())
        else:  # what was saved since the checkpoint must not count
            plain = make_plain(index)
            plain.restore(at_checkpoint)
            memory = PartitionMemory(limit, store)
            partitioned = make_partitioned(index, memory)
            partitioned.restore(store.head())
        assert in_order_of_keys(given) == in_order_of_keys(expected)
        assert shown(partitioned.take_late()) == shown(plain.take_late())
        seen(f"{step} gives results: {bool(given)}")
    assert partitioned.get_stats() == plain.get_stats()


@settings(deadline=None)
@given(
    index=st.integers(0, len(WINDOWS) - 1),
    batch=st.lists(events, max_size=30),
    cuts=st.lists(st.integers(0, 30)),
    limit=st.sampled_from([NOTHING_IN_MEMORY, EVERYTHING_IN_MEMORY]),
)
def test_the_cut_into_batches_changes_nothing_not_even_the_order(
    index: int, batch: list[StreamEvent], cuts: list[int], limit: int
) -> None:
    whole = make_partitioned(index, PartitionMemory(EVERYTHING_IN_MEMORY, StoredPartitions()))
    cut = make_partitioned(index, PartitionMemory(limit, StoredPartitions()))
    ends = [*sorted(cuts), len(batch)]
    given: list[WindowResult] = []
    for start, end in zip([0, *ends], ends, strict=False):
        given += cut.process_batch(batch[start:end])
    assert [r.id for r in given] == [r.id for r in whole.process_batch(batch)]


@settings(deadline=None)
@given(
    index=st.integers(0, len(WINDOWS) - 1),
    before=st.lists(events, max_size=30),
    after=st.lists(events, max_size=30),
)
def test_it_goes_on_from_a_state_in_one_piece(
    index: int, before: list[StreamEvent], after: list[StreamEvent]
) -> None:
    plain = make_plain(index)
    plain.process_batch(before)
    partitioned = make_partitioned(index, PartitionMemory(NOTHING_IN_MEMORY, StoredPartitions()))
    partitioned.restore(plain.snapshot())
    assert partitioned.get_stats() == plain.get_stats()
    expected, given = plain.process_batch(after), partitioned.process_batch(after)
    expected, given = expected + plain.advance(1_000), given + partitioned.advance(1_000)
    assert in_order_of_keys(given) == in_order_of_keys(expected)


@settings(deadline=None)
@given(st.lists(events, max_size=20))
def test_a_table_can_be_emptied(batch: list[StreamEvent]) -> None:
    plain = make_plain(1)
    partitioned = make_partitioned(1, PartitionMemory(NOTHING_IN_MEMORY, StoredPartitions()))
    plain.process_batch(batch)
    partitioned.process_batch(batch)
    assert in_order_of_keys(partitioned.clear()) == in_order_of_keys(plain.clear())
    assert partitioned.get_stats() == plain.get_stats()


@pytest.mark.parametrize("partitioned", [False, True])
def test_an_event_that_is_refused_leaves_the_others_alone(partitioned: bool) -> None:
    aggregates = {"sum": AggregationFunction.Sum()}
    window = WindowType.Tumbling(10)
    processor: StreamProcessor = StreamProcessor(window, aggregates)
    if partitioned:
        memory = PartitionMemory(NOTHING_IN_MEMORY, StoredPartitions())
        processor = PartitionedProcessor(window, aggregates, memory=memory, state_name="s-1")
    batch = [
        StreamEvent(1, 1, 5), StreamEvent(1, 2, "five"), StreamEvent(2, 3, 6),
        StreamEvent(2, 20, "six"), StreamEvent(1, 2, 7),
    ]  # fmt: skip

    answers = processor.process_apart(batch)

    refused = [index for index, answer in answers if isinstance(answer, Unaggregatable)]
    assert refused == [1, 3]
    told = [(i, a.key, a.values) for i, a in answers if isinstance(a, WindowResult)]
    assert sorted(told, key=repr) == [(3, 1, {"sum": 5}), (3, 2, {"sum": 6})]
    assert processor.take_late() == [batch[4]]
    assert processor.get_stats().events == 3


def test_sessions_cannot_be_emptied() -> None:
    with pytest.raises(BridgeError, match="cannot be emptied"):
        make_partitioned(5, PartitionMemory(0, StoredPartitions())).clear()


def test_a_processor_in_one_piece_refuses_partitions() -> None:
    partitioned = make_partitioned(0, PartitionMemory(0, StoredPartitions()))
    with pytest.raises(EnvironmentProblem, match="stored in partitions"):
        make_plain(0).restore(partitioned.snapshot())


@pytest.mark.parametrize(
    "same",
    [(1, 1.0, Decimal(1), True), (NAN, -NAN), (0.0, -0.0, 0), ((1, "a"), (Decimal("1.0"), "a"))],
)
def test_equal_keys_share_a_partition(same: tuple[Any, ...]) -> None:
    assert len({partition_of(key) for key in same}) == 1


def test_the_partition_of_a_key_is_the_same_in_every_process() -> None:
    keys = [(7,), ("seven",), None, (b"7", 7.5), (Decimal("1e40"), None), -1]
    assert [partition_of(key) for key in keys] == [52, 19, 29, 58, 22, 13]


@pytest.mark.parametrize("make", [lambda n: (n,), lambda n: (f"customer-{n}",), lambda n: (1, n)])
def test_keys_are_spread_evenly(make: Any) -> None:
    counts = [0] * PARTITIONS
    for number in range(64_000):
        counts[partition_of(make(number))] += 1
    assert min(counts) > 800
    assert max(counts) < 1200


def test_a_partition_is_loaded_once_for_a_batch() -> None:
    store = StoredPartitions()
    processor = make_partitioned(9, PartitionMemory(NOTHING_IN_MEMORY, store))
    batch = [StreamEvent((number % 500,), 0, 1) for number in range(5_000)]
    processor.process_batch(batch)
    store.loads = 0
    processor.process_batch(batch)
    assert store.loads <= PARTITIONS


def test_what_did_not_change_is_not_stored_again() -> None:
    store = StoredPartitions()
    memory = PartitionMemory(EVERYTHING_IN_MEMORY, store)
    processor = make_partitioned(9, memory)
    processor.process_batch([StreamEvent((number,), 0, 1) for number in range(1_000)])
    store.checkpoint(memory, processor.snapshot())
    assert store.saves == PARTITIONS + 1
    processor.process_event(StreamEvent((1,), 0, 1))
    store.checkpoint(memory, processor.snapshot())
    assert store.saves == PARTITIONS + 3


def test_two_processors_share_the_memory() -> None:
    store = StoredPartitions()
    memory = PartitionMemory(2_000_000, store)
    first, second = (
        PartitionedProcessor(
            WindowType.Count(100), AGGREGATES, memory=memory, state_name=name, name=name
        )
        for name in ("first", "second")
    )
    first.process_batch([StreamEvent((number,), 0, 1) for number in range(1_000)])
    assert store.saves == 0
    second.process_batch([StreamEvent((number,), 0, 1) for number in range(10_000)])
    assert store.saves > 0
    full = first.process_batch([StreamEvent((number,), 0, 1) for number in [7] * 99])
    assert [(result.key, result.values["n"]) for result in full if result.values] == [((7,), 100)]
