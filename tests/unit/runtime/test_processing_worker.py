"""The processing thread: checkpoints, what is told when, and what stops it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from threading import Event

import pytest
from structlog.testing import capture_logs

from bridge.core.errors import BridgeError, ConfigError, Transient
from bridge.core.events import CdcEvent, EventBatch, Position
from bridge.core.lsn import Lsn
from bridge.core.retry import RetryPolicy
from bridge.processing.partitions import PartitionMemory
from bridge.processing.state.memory import MemoryStateStore
from bridge.processing.state.results import Result
from bridge.processing.state.store import ProcessingCheckpoint
from bridge.processing.streaming_config import StreamingConfig
from bridge.runtime.backlog import Backlog, BacklogLimits
from bridge.runtime.processing.worker import PARTICIPANT, ProcessingWorker
from bridge.runtime.retry import Backoff
from tests.fixtures.counting_dataflow import CountingDataflow
from tests.fixtures.events import end_of, make_event, make_relation, many_transactions
from tests.fixtures.waiting import eventually

BATCHES = many_transactions(5)
LAST = BATCHES[-1].last
EVENTS = 15


class WatchedStore(MemoryStateStore):
    """A store that can be away, and knows what was committed when."""

    def __init__(self) -> None:
        super().__init__("5b1c9e07f2ab4d63")
        self.failures: list[Exception] = []
        self.commits: list[ProcessingCheckpoint] = []
        self.may_commit = Event()
        self.may_commit.set()

    def commit(self, checkpoint: ProcessingCheckpoint, results: Sequence[Result]) -> None:
        self.may_commit.wait()
        if self.failures:
            raise self.failures.pop(0)
        super().commit(checkpoint, results)
        self.commits.append(checkpoint)


class Bench:
    """A worker, and what it reports."""

    def __init__(
        self,
        directory: Path,
        *,
        dataflows: Sequence[CountingDataflow] | None = None,
        store: WatchedStore | None = None,
        position: Position | None = None,
        sequence: int = 0,
        interval_s: float = 0.0,
        streaming: StreamingConfig | None = None,
        memory: PartitionMemory | None = None,
    ) -> None:
        self.dataflows = [CountingDataflow()] if dataflows is None else list(dataflows)
        self.store = store or WatchedStore()
        self.has_room = True
        self.received: Lsn = 0
        self.handed: Position | None = None
        self.durable: list[tuple[str, Position]] = []
        self.committed: list[int] = []
        self.parked: list[tuple[str, Position, str]] = []
        self.parked_before_commit: list[int] = []
        self.failures: list[Exception] = []
        limits = BacklogLimits(max_events=1000, max_bytes=1_000_000, spool_bytes=1_000_000)
        self.worker = ProcessingWorker(
            self.dataflows,
            self.store,
            Backlog(limits, directory),
            position=position,
            sequence=sequence,
            interval_s=interval_s,
            seen=lambda: (self.received, self.handed),
            has_room=lambda: self.has_room,
            dead_letters=self,
            committed=self.committed.append,
            durable=lambda name, position: self.durable.append((name, position)),
            failed=self.failures.append,
            backoff=Backoff(RetryPolicy(initial_delay_ms=1, max_delay_ms=2)),
            monotonic=time.monotonic,
            streaming=streaming or StreamingConfig(),
            memory=memory,
        )

    def park(self, sink: str, event: CdcEvent, reason: str, attempts: int) -> None:
        self.parked.append((sink, event.position, reason))
        self.parked_before_commit.append(len(self.store.commits))

    def put_all(self) -> None:
        for batch in BATCHES:
            self.worker.backlog.put(batch)

    def until_durable(self, position: Position = LAST) -> None:
        eventually(
            lambda: self.durable and self.durable[-1] == (PARTICIPANT, position),
            message=f"{position} is durable",
        )

    def results(self, sink: str = "results") -> list[str]:
        return [result.id for _, result in self.store.results(sink, 0, 1_000)]


MakeBench = Callable[..., Bench]
IDS = [f"id-{number}" for number in range(1, EVENTS + 1)]


@pytest.fixture
def make_bench(tmp_path: Path) -> Iterator[MakeBench]:
    with ExitStack() as stack:

        def make(**options: object) -> Bench:
            bench = Bench(tmp_path, **options)  # type: ignore[arg-type]
            stack.callback(bench.worker.backlog.close)
            stack.callback(bench.worker.join, 0.1)
            stack.callback(bench.store.may_commit.set)
            bench.worker.start()
            return bench

        yield make


def test_states_position_and_results_are_stored_together(make_bench: MakeBench) -> None:
    bench = make_bench()
    bench.put_all()
    bench.until_durable()
    last = bench.store.commits[-1]
    assert last.position == LAST
    assert last.states == {
        "counting-0123456789ab": {"count": EVENTS},
        "counting-0123456789ab/figures": {"processor": "counting", "events": EVENTS},
    }
    assert last.sequence == bench.committed[-1] == EVENTS
    assert bench.results() == IDS


def test_what_came_before_a_table_changed_is_stored_before_its_new_form_is_processed(
    make_bench: MakeBench,
) -> None:
    new_form = make_relation({"id": "int8", "full_name": "text"}, key=["id"])
    events = [make_event(ordinal=ordinal) for ordinal in range(5)]
    events += [make_event(ordinal=ordinal, relation=new_form) for ordinal in range(5, 8)]

    class Unfit(CountingDataflow):
        def process(self, events: Sequence[CdcEvent]) -> list[Result]:
            if any(event.relation is new_form for event in events):
                raise ConfigError("public.users has no column name")
            return super().process(events)

    bench = make_bench(dataflows=[Unfit()], interval_s=1000.0)
    bench.worker.backlog.put(EventBatch(events, (), 100))

    eventually(lambda: bench.failures, message="the new form ends the run")
    assert bench.durable[-1] == (PARTICIPANT, events[4].position)
    assert bench.results() == IDS[:5]


def test_nothing_is_told_before_it_is_stored(make_bench: MakeBench) -> None:
    bench = make_bench()
    bench.store.may_commit.clear()
    bench.put_all()
    eventually(lambda: bench.dataflows[0].count, message="events are processed")
    assert (bench.durable, bench.committed) == ([], [])
    bench.store.may_commit.set()
    bench.until_durable()


def test_what_the_states_contain_is_skipped(make_bench: MakeBench) -> None:
    bench = make_bench(position=BATCHES[1].events[1].position, sequence=0)
    bench.put_all()
    bench.until_durable()
    assert bench.dataflows[0].count == EVENTS - 5


def test_a_store_that_is_away_is_tried_again_and_nothing_is_lost(make_bench: MakeBench) -> None:
    store = WatchedStore()
    store.failures = [Transient("The store is away."), Transient("Still away.")]
    bench = make_bench(store=store)
    bench.put_all()
    bench.until_durable()
    assert bench.results() == IDS
    assert bench.failures == []


def test_a_commit_whose_answer_was_lost_stores_nothing_twice(make_bench: MakeBench) -> None:
    class LosesAnswers(WatchedStore):
        lost = 0

        def commit(self, checkpoint: ProcessingCheckpoint, results: Sequence[Result]) -> None:
            super().commit(checkpoint, results)
            if self.lost < 2:
                self.lost += 1
                raise Transient("The connection was lost.")

    bench = make_bench(store=LosesAnswers())
    bench.put_all()
    bench.until_durable()
    assert bench.results() == IDS
    assert bench.failures == []


def test_events_without_a_value_are_parked_before_the_checkpoint_that_passes_them(
    make_bench: MakeBench,
) -> None:
    dataflow = CountingDataflow()
    dataflow.refused = {1}
    bench = make_bench(dataflows=[dataflow])
    bench.worker.backlog.put(BATCHES[0])
    bench.until_durable(BATCHES[0].last)
    assert bench.parked == [("processor:counting", BATCHES[0].events[1].position, "it has no time")]
    assert bench.parked_before_commit == [0]
    assert bench.dataflows[0].count == 2


def test_late_events_are_told_with_each_doubling(make_bench: MakeBench) -> None:
    """Or a processor would say nothing at all to somebody whose times are far behind the clock."""
    flow = CountingDataflow()
    flow.late = 5  # of an earlier run
    bench = make_bench(dataflows=[flow])
    with capture_logs() as entries:
        for late, batch in zip((5, 6, 7, 11, 12), BATCHES, strict=True):
            flow.late = late
            bench.worker.backlog.put(batch)
            bench.until_durable(batch.last)
    told = [entry["late"] for entry in entries if entry["event"] == "events_late"]
    assert told == [6, 12]


def test_every_processor_gets_every_event_in_the_order_of_the_configuration(
    make_bench: MakeBench,
) -> None:
    one, other = CountingDataflow("one", sinks=("a", "b")), CountingDataflow("other", sinks=("b",))
    bench = make_bench(dataflows=[one, other])
    bench.worker.backlog.put(BATCHES[0])
    bench.until_durable(BATCHES[0].last)
    assert bench.results("a") == ["id-1", "id-2", "id-3"]
    assert bench.results("b") == ["id-1", "id-2", "id-3"] * 2


def test_an_error_of_a_processor_stops_the_bridge_and_names_it_without_values(
    make_bench: MakeBench,
) -> None:
    dataflow = CountingDataflow("revenue")
    dataflow.error = ValueError("the secret of row 7")
    bench = make_bench(dataflows=[dataflow])
    bench.put_all()
    error = eventually(lambda: bench.failures and bench.failures[0], message="it fails")
    assert isinstance(error, BridgeError)
    assert "Processor 'revenue' failed" in str(error)
    assert "ValueError" in str(error)
    assert "secret" not in str(error)
    assert bench.durable == []
    assert bench.store.commits == []


def test_an_error_of_the_configuration_stays_one(make_bench: MakeBench) -> None:
    dataflow = CountingDataflow("revenue")
    dataflow.error = ConfigError("There is no column amont.", remedy="Write amount.")
    bench = make_bench(dataflows=[dataflow])
    bench.put_all()
    error = eventually(lambda: bench.failures and bench.failures[0], message="it fails")
    assert isinstance(error, ConfigError)
    assert error.message.startswith("Processor 'revenue'")
    assert error.remedy == "Write amount."


def test_draining_stores_what_was_processed(make_bench: MakeBench) -> None:
    bench = make_bench(interval_s=3600.0)
    bench.put_all()
    bench.worker.drain()
    assert bench.worker.join(10.0)
    assert bench.store.commits[-1].position == LAST
    assert bench.results() == IDS
    assert bench.worker.ended


def test_it_takes_nothing_while_results_find_no_room(make_bench: MakeBench) -> None:
    bench = make_bench()
    bench.has_room = False
    eventually(lambda: bench.worker._held_up, message="it is held up")
    bench.put_all()
    bench.worker.drain()
    assert not bench.worker.join(10.0)
    assert bench.dataflows[0].count == 0


def test_it_goes_on_when_there_is_room_again(make_bench: MakeBench) -> None:
    bench = make_bench()
    bench.has_room = False
    eventually(lambda: bench.worker._held_up, message="it is held up")
    bench.put_all()
    bench.has_room = True
    bench.until_durable()


def test_a_costly_checkpoint_makes_the_next_one_wait(make_bench: MakeBench) -> None:
    store = WatchedStore()
    bench = make_bench(store=store)
    bench.worker.backlog.put(BATCHES[0])
    bench.until_durable(BATCHES[0].last)

    class Slow(CountingDataflow):
        def snapshot(self) -> object:
            Event().wait(0.05)
            return super().snapshot()

    bench.dataflows[0] = Slow()
    bench.worker.backlog.put(BATCHES[1])
    bench.until_durable(BATCHES[1].last)
    began = time.monotonic()
    bench.worker.backlog.put(BATCHES[2])
    bench.until_durable(BATCHES[2].last)
    assert time.monotonic() - began > 0.3


# The clock of the server


def test_time_passes_once_all_that_came_before_was_processed(make_bench: MakeBench) -> None:
    bench = make_bench()
    dataflow = bench.dataflows[0]
    bench.received, bench.handed = end_of(0x1000), BATCHES[0].last
    bench.worker.note_time(1_000, end_of(0x1000))  # handed out, and not yet in the backlog
    bench.worker.backlog.wake()
    assert dataflow.clock is None
    bench.worker.backlog.put(BATCHES[0])
    eventually(lambda: dataflow.clock == 1_000, message="time passes")
    assert dataflow.count == 3
    eventually(lambda: "id--1000" in bench.results(), message="its result is stored")


def test_time_waits_for_a_stream_that_is_behind_the_server(make_bench: MakeBench) -> None:
    bench = make_bench()
    dataflow = bench.dataflows[0]
    bench.received, bench.handed = end_of(0x1000), BATCHES[0].last
    bench.worker.note_time(1_000, end_of(0x1100))
    bench.worker.backlog.put(BATCHES[0])
    bench.until_durable(BATCHES[0].last)
    assert dataflow.clock is None
    bench.worker.note_time(2_000, end_of(0x1200))  # the first one still waits, and comes first
    bench.received, bench.handed = end_of(0x1100), BATCHES[1].last
    bench.worker.backlog.put(BATCHES[1])
    eventually(lambda: dataflow.clock, message="time passes")
    assert dataflow.clock == 1_000


def test_time_that_gives_no_result_makes_no_checkpoint(make_bench: MakeBench) -> None:
    class Quiet(CountingDataflow):
        def advance(self, now: int) -> list[Result]:
            super().advance(now)
            return []

    bench = make_bench(dataflows=[Quiet()])
    bench.worker.note_time(1_000, 0)
    eventually(lambda: bench.dataflows[0].clock, message="time passes")
    bench.worker.drain()
    assert bench.worker.join(10.0)
    assert bench.store.commits == []


class HeardBatches(CountingDataflow):
    """Takes note of how many events come at once."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []

    def process(self, events: Sequence[CdcEvent]) -> list[Result]:
        self.sizes.append(len(events))
        return super().process(events)


@pytest.mark.parametrize("batch_size", [2, 6])
def test_no_batch_is_larger_than_it_may_be(batch_size: int, make_bench: MakeBench) -> None:
    dataflow = HeardBatches()
    bench = make_bench(dataflows=[dataflow], streaming=StreamingConfig(batch_size=batch_size))
    bench.put_all()
    bench.until_durable()
    assert max(dataflow.sizes) <= batch_size
    assert bench.results() == IDS


def test_a_batch_waits_until_it_is_full(make_bench: MakeBench) -> None:
    dataflow = HeardBatches()
    streaming = StreamingConfig(batch_size=EVENTS, row_timeout=3_600_000_000)
    bench = make_bench(dataflows=[dataflow], streaming=streaming)
    bench.put_all()
    bench.until_durable()
    assert dataflow.sizes == [EVENTS]


def test_what_waits_for_a_batch_to_fill_is_processed_at_the_end(make_bench: MakeBench) -> None:
    streaming = StreamingConfig(row_timeout=3_600_000_000)
    bench = make_bench(streaming=streaming)
    bench.put_all()
    bench.worker.drain()
    assert bench.worker.join(5)
    assert bench.results() == IDS
