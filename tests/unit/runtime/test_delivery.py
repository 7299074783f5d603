"""Delivery of results: order, bounds, outages, and what the store may forget."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from bridge.core.errors import GapDetected, Transient
from bridge.core.events import CdcEvent, Position
from bridge.core.retry import RetryPolicy
from bridge.processing.state.memory import MemoryStateStore
from bridge.processing.state.results import Result
from bridge.processing.state.store import ProcessingCheckpoint
from bridge.runtime.processing.delivery import Delivery
from bridge.runtime.processing.outbox import Outbox
from bridge.runtime.retry import Backoff
from tests.fixtures.counting_dataflow import make_answer
from tests.fixtures.faults import FaultySink, away
from tests.fixtures.memory_sink import MemorySink, MemoryTarget
from tests.fixtures.results import STORE
from tests.fixtures.waiting import eventually

IDENTITY = STORE.system_identifier


class FlakyStore(MemoryStateStore):
    """A store that cannot always be read."""

    failures = 0

    def results(self, sink: str, after: int, limit: int) -> list[tuple[int, Result]]:
        if self.failures:
            self.failures -= 1
            raise Transient("The store is away.")
        return super().results(sink, after, limit)


class Bench:
    """A store, a sink into memory, and the delivery between them."""

    def __init__(self, *, proves_position: bool = True) -> None:
        self.store = FlakyStore(IDENTITY)
        self.target = MemoryTarget()
        self.proves_position = proves_position
        self.sequence = 0
        self.failures: list[Exception] = []
        self.parked: list[tuple[str, Position, str]] = []
        self.begin()

    def begin(self) -> None:
        """Begin as after a start of the bridge; the store and the target are as they were."""
        self.sink = FaultySink(MemorySink(self.target, proves_position=self.proves_position))
        self.delivery = Delivery(
            self.store,
            self.sink,
            name="results",
            slot="bridge",
            database="shop",
            committed=self.sequence,
            backoff=Backoff(RetryPolicy(initial_delay_ms=1, max_delay_ms=2)),
            dead_letters=self,
            failed=self.failures.append,
        )

    def park(self, sink: str, event: CdcEvent, reason: str, attempts: int) -> None:
        self.parked.append((sink, event.position, reason))

    def tell(self, count: int, *, sinks: tuple[str, ...] = ("results",)) -> None:
        first = self.sequence + 1
        self.sequence += count
        answers = [make_answer(n, sinks=sinks) for n in range(first, self.sequence + 1)]
        self.store.commit(ProcessingCheckpoint(None, {}, self.sequence), answers)
        self.delivery.committed(self.sequence)

    def until_delivered(self, sequence: int) -> None:
        eventually(
            lambda: self.delivery.delivered == sequence, message=f"{sequence} results are delivered"
        )

    @property
    def held(self) -> list[str]:
        return [event["event_id"] for event in self.target.events]


@pytest.fixture
def make_bench() -> Iterator[Callable[..., Bench]]:
    with ExitStack() as stack:

        def make(**options: bool) -> Bench:
            bench = Bench(**options)
            stack.callback(lambda: bench.delivery.join(0.1))
            stack.callback(lambda: bench.sink.release())
            return bench

        yield make


MakeBench = Callable[..., Bench]


def ids(count: int, first: int = 1) -> list[str]:
    return [f"id-{number}" for number in range(first, first + count)]


def test_results_arrive_in_order_with_the_identity_of_the_store(make_bench: MakeBench) -> None:
    bench = make_bench()
    bench.delivery.start()
    bench.tell(2)
    bench.tell(3)
    bench.until_delivered(5)
    assert bench.held == ids(5)
    assert [event["type"] for event in bench.target.events] == ["window_result"] * 5
    places = [Position.of_event_id(event["delivery_id"]) for event in bench.target.events]
    assert places == [Position(number, 0) for number in range(1, 6)]
    assert list(bench.target.last) == [STORE]


def test_results_that_waited_for_the_start_are_delivered(make_bench: MakeBench) -> None:
    bench = make_bench()
    bench.tell(1_700)  # several pages
    bench.delivery.start()
    bench.until_delivered(1_700)
    assert bench.held == ids(1_700)


def test_results_for_others_count_as_delivered(make_bench: MakeBench) -> None:
    bench = make_bench()
    bench.delivery.start()
    bench.tell(2)
    bench.tell(600, sinks=("other",))
    bench.until_delivered(602)
    assert bench.held == ids(2)


def test_what_the_sink_holds_is_forgotten_when_the_delivery_is_tended(
    make_bench: MakeBench,
) -> None:
    bench = make_bench()
    bench.delivery.start()
    bench.tell(3)
    bench.until_delivered(3)
    assert bench.store.waiting() == {"results": 3}
    bench.delivery.tend()
    assert bench.store.waiting() == {}
    assert bench.store.deliveries() == {"results": 3}


def test_after_a_restart_it_goes_on_where_the_store_says(make_bench: MakeBench) -> None:
    bench = make_bench(proves_position=False)
    bench.delivery.start()
    bench.tell(3)
    bench.until_delivered(3)
    bench.delivery.tend()
    assert bench.delivery.join(0.1)
    bench.begin()
    bench.tell(2)
    bench.delivery.start()
    bench.until_delivered(5)
    assert bench.held == ids(5)


def test_a_target_that_proves_what_it_holds_gets_nothing_twice(make_bench: MakeBench) -> None:
    bench = make_bench()
    bench.delivery.start()
    bench.tell(3)
    bench.until_delivered(3)
    assert bench.delivery.join(0.1)  # the store was never told
    bench.begin()
    bench.tell(2)
    bench.delivery.start()
    bench.until_delivered(5)
    assert bench.held == ids(5)


def test_a_sink_that_is_away_gets_everything_later_in_order(make_bench: MakeBench) -> None:
    bench = make_bench()
    bench.sink.fail_open(away(), away())
    bench.sink.fail_before_write(away())
    bench.delivery.start()
    bench.tell(1_200)
    bench.until_delivered(1_200)
    assert bench.held == ids(1_200)
    assert bench.failures == []


def test_a_store_that_is_away_is_read_again(make_bench: MakeBench) -> None:
    bench = make_bench()
    bench.store.failures = 2
    bench.delivery.start()
    bench.tell(3)
    bench.until_delivered(3)
    assert bench.held == ids(3)
    assert bench.failures == []


def test_a_refused_result_is_parked_and_the_rest_goes_on(make_bench: MakeBench) -> None:
    bench = make_bench()
    bench.sink.reject([Position(2, 0)], "too large")
    bench.delivery.start()
    bench.tell(3)
    bench.until_delivered(3)
    assert bench.parked == [("results", Position(2, 0), "too large")]


def test_a_paused_sink_gets_nothing_until_it_is_resumed(make_bench: MakeBench) -> None:
    bench = make_bench()
    bench.delivery.pause()
    bench.delivery.start()
    bench.tell(3)
    bench.delivery.resume()
    bench.until_delivered(3)
    assert bench.held == ids(3)


def test_a_paused_sink_keeps_its_results_in_the_store(make_bench: MakeBench) -> None:
    bench = make_bench()
    bench.delivery.pause()
    bench.delivery.start()
    bench.tell(3)
    bench.delivery.drain()
    assert not bench.delivery.join(1.0)
    assert bench.held == []
    assert bench.store.waiting() == {"results": 3}


def test_draining_delivers_what_is_in_the_store(make_bench: MakeBench) -> None:
    bench = make_bench()
    bench.tell(700)
    bench.delivery.start()
    bench.delivery.drain()
    assert bench.delivery.join(10.0)
    assert bench.held == ids(700)


def test_a_target_that_holds_more_than_the_store_ever_told_is_a_gap(make_bench: MakeBench) -> None:
    bench = make_bench()
    bench.target.last[STORE] = Position(9, 0)
    bench.delivery.start()
    bench.tell(3)
    error = eventually(lambda: bench.failures and bench.failures[0], message="it gives up")
    assert isinstance(error, GapDetected)


def test_no_more_is_read_than_memory_may_hold() -> None:
    store = MemoryStateStore(IDENTITY)
    store.commit(ProcessingCheckpoint(None, {}, 9_000), [make_answer(n) for n in range(1, 9_001)])
    outbox = Outbox(store, "results", STORE, delivered=0, committed=9_000)
    taken = []
    while batches := outbox.take(0.0):
        taken += batches
    held = sum(map(len, taken))
    assert 500 <= held <= 2_500
    assert not outbox.empty
    outbox.release(taken[0])
    assert outbox.take(0.0)[0].events[0].position == Position(held + 1, 0)
    assert outbox.delivered == len(taken[0])
