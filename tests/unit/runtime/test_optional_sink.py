"""An optional sink: fed from its spill, told of gaps, and in nobody's way."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from bridge.core.errors import EnvironmentProblem
from bridge.core.events import GAP_ORDINAL, EventBatch, Position
from bridge.core.retry import RetryPolicy
from bridge.core.selection import Columns, Filter, Selection, Shape
from bridge.core.table_patterns import TablePattern
from bridge.runtime.backlog import Backlog, BacklogLimits
from bridge.runtime.optional_sink import OptionalSink
from bridge.runtime.retry import Backoff
from bridge.runtime.sink_states import BY_OPERATOR, SinkStates
from bridge.runtime.state_file import StateFile
from sinks.base import Feed
from tests.fixtures.events import SOURCE, make_batch, many_transactions, whole_transaction
from tests.fixtures.faults import FaultySink, away
from tests.fixtures.memory_sink import MemorySink, MemoryTarget
from tests.fixtures.waiting import eventually

SMALL = 64 * 1024
MEMORY = BacklogLimits(max_events=1000, max_bytes=1 << 20, spool_bytes=1 << 20)
BATCHES = many_transactions(10)


class Bench:
    """An optional sink over what outlives it: state file, spill and target."""

    def __init__(self, directory: Path, target: MemoryTarget, **options: Any) -> None:
        self.target = target
        self.file = StateFile(directory)
        self.states = SinkStates(self.file, "bridge")
        self.sink = FaultySink(MemorySink(target, proves_position=False))
        self.durable: list[Position] = []
        self.failures: list[Exception] = []
        self.parked: list[Any] = []
        self.started = False
        settings: dict[str, Any] = {
            "spill_bytes": 1 << 30,
            "selection": None,
            "resume": None,
            "horizon": 1 << 40,
            "backoff": Backoff(RetryPolicy(initial_delay_ms=1, max_delay_ms=2)),
            **options,
        }
        self.optional = OptionalSink(
            Feed(SOURCE, "bridge", "memory"),
            self.sink,
            directory / "spill",
            memory=MEMORY,
            backlog=Backlog(MEMORY, directory),
            states=self.states,
            dead_letters=self,
            durable=lambda _, position: self.durable.append(position),
            failed=self.failures.append,
            clock=lambda: 1.0,
            **settings,
        )

    def start(self) -> Bench:
        self.started = True
        self.optional.start()
        self.optional.worker.start()
        return self

    def put(self, *batches: EventBatch) -> Bench:
        """Hand out batches, and wait until the slot need not keep them."""
        for batch in batches:
            self.optional.worker.backlog.put(batch)
        last = batches[-1].last
        eventually(lambda: self.durable[-1:] == [last], message=f"{last} counts as durable")
        return self

    def park(self, sink: str, event: Any, reason: str, attempts: int) -> None:
        self.parked.append(event)

    def until_held(self, *batches: EventBatch) -> None:
        ids = [event.event_id for batch in batches for event in batch.events]
        eventually(lambda: self.held == ids, message="the target holds all, in order")

    @property
    def held(self) -> list[str]:
        """The events in the target, each once."""
        return list(dict.fromkeys(event["event_id"] for event in self.target.events))

    @property
    def gaps(self) -> list[dict[str, str]]:
        """What the target was told of gaps."""
        messages = [e["new_values"] for e in self.target.events if e["operation"] == "Message"]
        assert all(message["prefix"] == "pgbridge.gap" for message in messages)
        return [json.loads(message["content"]) for message in messages]

    def close(self) -> None:
        self.sink.release()
        if not self.started:
            self.start()
        self.optional.worker.join(0.1)
        self.optional.close(5)
        self.optional.worker.backlog.close()
        self.file.close()


MakeBench = Callable[..., Bench]


@pytest.fixture
def make_bench(tmp_path: Path) -> Iterator[MakeBench]:
    """Return a function that makes a bench; the next one goes on where it ended."""
    target = MemoryTarget()
    with ExitStack() as stack:

        def make(**options: Any) -> Bench:
            stack.close()
            bench = Bench(tmp_path, target, **options)
            stack.callback(bench.close)
            return bench

        yield make


def wide_transactions(count: int, first_lsn: int = 0x1000) -> list[EventBatch]:
    """Return transactions of two events of 10 KB."""
    batches = []
    for i in range(count):
        batch = whole_transaction(first_lsn + 0x100 * i, 2)
        for event in batch.events:
            event.new = ("1", "x" * 10_000)
        batch.size_bytes = 20_000
        batches.append(batch)
    return batches


def only(*wanted: Position) -> Selection:
    return Selection(Filter(conditions=[lambda event: event.position in wanted]))


# In order, and without a gap


def test_events_come_through_the_spill_in_order(make_bench: MakeBench) -> None:
    bench = make_bench().start()
    bench.put(*BATCHES)
    bench.until_held(*BATCHES)
    assert bench.durable == sorted(bench.durable)


def test_a_target_that_is_away_holds_nobody_back(make_bench: MakeBench) -> None:
    bench = make_bench()
    bench.sink.fail_open(*[away() for _ in range(1000)])
    bench.start().put(*BATCHES)
    assert bench.held == []
    assert bench.failures == []


def test_a_restart_goes_on_with_the_spill_and_then_with_what_is_new(make_bench: MakeBench) -> None:
    bench = make_bench()
    bench.sink.hold()
    bench.start().put(*BATCHES[:5])
    bench = make_bench(resume=BATCHES[4].last).start()
    bench.put(*BATCHES[3:])  # some of it comes again
    bench.until_held(*BATCHES)


def test_what_the_target_has_confirmed_is_not_sent_again(make_bench: MakeBench) -> None:
    bench = make_bench().start()
    bench.put(*BATCHES)
    bench.until_held(*BATCHES)
    again = make_bench(resume=BATCHES[-1].last).start()
    again.put(*many_transactions(1, first_lsn=0x9000))
    eventually(lambda: len(again.held) == 33, message="the new ones are there")
    assert len(again.target.lines) == 33


def test_a_filter_before_the_spill_and_columns_behind_it(make_bench: MakeBench) -> None:
    wanted = [BATCHES[2].events[1], BATCHES[4].events[0]]
    users = TablePattern.parse("public.users", setting="columns")
    selection = Selection(
        only(*(event.position for event in wanted)).filter,
        Shape([Columns(tables=users, names=frozenset({"id"}))]),
    )
    bench = make_bench(selection=selection)
    bench.sink.reject([wanted[0].position])
    bench.start().put(*BATCHES)
    eventually(lambda: bench.parked and bench.held, message="one is parked, one delivered")
    assert bench.parked[0].new_values == wanted[0].new_values  # as it came
    assert [event["new_values"] for event in bench.target.events] == [{"id": 0}]


# Gaps


def test_a_full_spill_makes_one_gap_which_ends_when_there_is_room(make_bench: MakeBench) -> None:
    batches = wide_transactions(20)
    bench = make_bench(spill_bytes=SMALL)
    bench.sink.block()
    bench.start()
    for batch in batches[:12]:
        bench.put(batch)
    assert bench.states.pauses()["memory"].reason == "the spill is full"
    [since] = bench.states.gaps().values()
    assert since in [batch.last for batch in batches[:4]]

    bench.sink.release()
    bench.put(batches[12])
    bench.states.resume("memory")
    bench.optional.resume()
    eventually(lambda: bench.optional.tend() or bench.gaps, message="the gap is told")
    bench.put(*batches[13:15])
    until = batches[12].last
    eventually(lambda: bench.held[-1] == batches[14].events[-1].event_id, message="it goes on")
    assert bench.gaps == [{"from": str(since), "to": str(until)}]
    [message] = [e for e in bench.target.events if e["operation"] == "Message"]
    assert (message["commit_lsn"], message["ordinal"]) == (until.commit_lsn, GAP_ORDINAL)
    places = [(event["commit_lsn"], event["ordinal"]) for event in bench.target.events]
    assert places == sorted(set(places))
    assert bench.states.gaps() == {}


def test_a_gap_survives_a_restart_and_goes_on(make_bench: MakeBench) -> None:
    batches = wide_transactions(20)
    bench = make_bench(spill_bytes=SMALL)
    bench.sink.block()
    bench.start()
    for batch in batches[:8]:
        bench.put(batch)
    [since] = bench.states.gaps().values()
    bench = make_bench(spill_bytes=SMALL, resume=batches[7].last).start()
    bench.put(*batches[8:10])
    assert bench.gaps == []
    bench.states.resume("memory")
    bench.optional.resume()
    eventually(lambda: bench.optional.tend() or bench.gaps, message="the gap is told")
    assert bench.gaps == [{"from": str(since), "to": str(batches[9].last)}]


def test_the_rest_of_a_transaction_of_which_a_part_is_missing_is_missing_too(
    make_bench: MakeBench,
) -> None:
    bench = make_bench()
    bench.states.begin_gap("memory", Position(0x500, 0))
    bench = make_bench(resume=Position(0x1000, 1)).start()
    bench.optional.tend()  # nobody knows whether that transaction goes on
    bench.put(make_batch((0x1000, 2), (0x1000, 3), (0x1100, 0)))
    eventually(lambda: len(bench.held) == 2, message="message and event")
    assert bench.gaps == [{"from": "0/500:0", "to": "0/1000:3"}]


def test_a_gap_without_a_missing_event_is_not_told(make_bench: MakeBench) -> None:
    bench = make_bench()
    bench.states.begin_gap("memory", BATCHES[0].last)
    bench = make_bench(resume=BATCHES[0].last).start()
    bench.put(*BATCHES[1:])
    bench.until_held(*BATCHES[1:])
    assert bench.states.gaps() == {}


def test_a_disk_that_takes_nothing_is_a_gap_and_no_failure(
    make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = make_bench().start()
    bench.put(BATCHES[0])
    bench.until_held(BATCHES[0])

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr("os.fdatasync", full)
        bench.put(*BATCHES[1:3])
    assert bench.states.pauses()["memory"].reason == "its disk reports: No space left on device"
    bench.states.resume("memory")
    bench.optional.resume()
    eventually(lambda: bench.optional.tend() or bench.gaps, message="the gap is told")
    bench.put(BATCHES[3])
    assert bench.gaps == [{"from": str(BATCHES[0].last), "to": str(BATCHES[2].last)}]


# Pauses


def test_a_paused_one_fills_its_spill(make_bench: MakeBench) -> None:
    bench = make_bench()
    bench.states.pause("memory", BY_OPERATOR, 1.0)
    bench = make_bench().start()
    bench.put(*BATCHES)
    assert bench.sink.calls == []
    bench.optional.resume()
    bench.until_held(*BATCHES)


@pytest.mark.parametrize(
    "problem", [EnvironmentProblem("The target refuses us."), away()], ids=["refused", "given up"]
)
def test_an_error_that_stays_pauses_it(make_bench: MakeBench, problem: Exception) -> None:
    bench = make_bench(backoff=Backoff(RetryPolicy(max_retries=0)))
    bench.sink.fail_open(problem)
    bench.start().put(*BATCHES)
    eventually(lambda: "memory" in bench.states.pauses(), message="it is paused")
    assert str(problem).split(".")[0] in bench.states.pauses()["memory"].reason
    assert bench.failures == []
    bench.states.resume("memory")
    eventually(lambda: bench.optional.resume() or bench.held, message="it goes on")
    bench.until_held(*BATCHES)


def test_closing_does_not_wait_for_what_is_on_disk(make_bench: MakeBench) -> None:
    bench = make_bench()
    bench.states.pause("memory", BY_OPERATOR, 1.0)
    bench = make_bench().start()
    bench.put(*BATCHES)
    bench.optional.worker.drain()
    bench.optional.close(0)
    assert bench.held == []


# Positions that start over


@pytest.mark.parametrize("delivered", [True, False])
def test_what_waits_of_an_old_history_comes_before_the_new_one(
    make_bench: MakeBench, delivered: bool
) -> None:
    old = many_transactions(3, first_lsn=0x9000)
    bench = make_bench().start()
    if not delivered:
        bench.states.pause("memory", BY_OPERATOR, 1.0)
        bench.optional.pause()
        eventually(lambda: bench.sink.calls[-1:] == ["close"], message="it is closed")
    bench.put(*old)
    if delivered:
        bench.until_held(*old)
    bench.states.resume("memory")
    bench = make_bench(horizon=None).start()
    bench.put(*BATCHES)
    bench.until_held(*old, *BATCHES)
    again = make_bench(resume=BATCHES[-1].last).start()
    again.put(*many_transactions(1, first_lsn=0x8000))
    eventually(lambda: len(again.held) == 42, message="the stream goes on")
    assert len(again.target.lines) == 42
