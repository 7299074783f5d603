"""The worker: one sink, its errors, its positions and its dead letters."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from bridge.core.errors import EnvironmentProblem, GapDetected
from bridge.core.events import CdcEvent, Position
from bridge.core.retry import RetryPolicy
from bridge.core.selection import Columns, Filter, Selection, Shape, Undecided
from bridge.core.table_patterns import TablePattern
from bridge.runtime.backlog import Backlog, BacklogLimits
from bridge.runtime.retry import Backoff
from bridge.runtime.worker import SinkWorker
from sinks.base import Feed, Progress
from tests.fixtures.events import SOURCE, many_transactions, positions
from tests.fixtures.faults import FaultySink, away
from tests.fixtures.memory_sink import MemorySink, MemoryTarget
from tests.fixtures.waiting import eventually

BATCHES = many_transactions(5)
LAST = BATCHES[-1].last


class Bench:
    """A worker with a sink into memory, and what it reports."""

    def __init__(
        self, directory: Path, *, sink: type[MemorySink] = MemorySink, **options: object
    ) -> None:
        self.target = MemoryTarget()
        self.sink = FaultySink(sink(self.target))
        self.durable: list[Position] = []
        self.failures: list[Exception] = []
        self.parked: list[tuple[str, CdcEvent, str]] = []
        limits = BacklogLimits(max_events=1000, max_bytes=1_000_000, spool_bytes=1_000_000)
        settings: dict[str, object] = {
            "resume": None,
            "dead_letters": self,
            "horizon": 1 << 40,
            "backoff": Backoff(RetryPolicy(initial_delay_ms=1, max_delay_ms=2)),
            **options,
        }
        self.worker = SinkWorker(
            Feed(SOURCE, "bridge", "memory"),
            self.sink,
            Backlog(limits, directory),
            durable=lambda _, position: self.durable.append(position),
            failed=self.failures.append,
            **settings,  # type: ignore[arg-type]
        )

    def park(self, sink: str, event: CdcEvent, reason: str, attempts: int) -> None:
        self.parked.append((sink, event, reason))

    def put_all(self) -> None:
        for batch in BATCHES:
            self.worker.backlog.put(batch)

    def until_durable(self, position: Position = LAST) -> None:
        eventually(
            lambda: self.durable and self.durable[-1] == position, message=f"{position} is durable"
        )

    @property
    def held(self) -> list[str]:
        return [event["event_id"] for event in self.target.events]


MakeBench = Callable[..., Bench]
IDS = [event.event_id for batch in BATCHES for event in batch.events]


@pytest.fixture
def make_bench(tmp_path: Path) -> Iterator[MakeBench]:
    with ExitStack() as stack:

        def make(**options: object) -> Bench:
            bench = Bench(tmp_path, **options)
            stack.callback(bench.worker.backlog.close)
            stack.callback(bench.worker.join, 0.1)
            stack.callback(bench.sink.release)
            return bench

        yield make


def test_events_arrive_in_order_and_are_reported(make_bench: MakeBench) -> None:
    bench = make_bench()
    bench.worker.start()
    bench.put_all()
    bench.until_durable()
    assert bench.held == IDS
    assert bench.durable == sorted(bench.durable)
    assert bench.worker.idle


def test_an_outage_is_retried_until_all_is_there(make_bench: MakeBench) -> None:
    bench = make_bench()
    bench.sink.fail_open(away(), away())
    bench.sink.fail_before_write(away())
    bench.sink.fail_poll(away(), away())
    bench.put_all()
    bench.worker.start()
    bench.until_durable()
    assert list(dict.fromkeys(bench.held)) == IDS
    assert bench.failures == []


def test_a_failure_after_the_write_repeats_nothing_that_the_target_proves(
    make_bench: MakeBench,
) -> None:
    bench = make_bench()
    bench.put_all()
    bench.sink.fail_after_write(away())
    bench.worker.start()
    bench.until_durable()
    assert list(dict.fromkeys(bench.held)) == IDS


def test_what_the_checkpoint_knows_to_be_held_is_not_written_again(make_bench: MakeBench) -> None:
    bench = make_bench(resume=BATCHES[1].last)
    bench.put_all()
    bench.worker.start()
    bench.until_durable()
    assert bench.held == IDS[6:]


def test_what_the_target_holds_is_not_written_again_and_counts_as_durable(
    make_bench: MakeBench,
) -> None:
    bench = make_bench()
    bench.target.last[SOURCE] = LAST
    bench.put_all()
    bench.worker.start()
    bench.until_durable()
    assert bench.held == []


def test_a_target_from_the_future_is_a_gap(make_bench: MakeBench) -> None:
    bench = make_bench(horizon=0x500)
    bench.target.last[SOURCE] = Position(0x1000, 0)
    bench.worker.start()
    eventually(lambda: bench.failures, message="the worker gives up")
    assert isinstance(bench.failures[0], GapDetected)


class UnheardSink(MemorySink):
    """Holds events durably, and is cut off before it can say so: once."""

    heard = False

    def poll(self) -> Progress:
        progress = super().poll()
        if not self.heard:
            self.heard = True
            raise away()
        return progress


def test_what_it_has_written_itself_is_no_gap_however_far_it_is(make_bench: MakeBench) -> None:
    bench = make_bench(horizon=0x500, sink=UnheardSink)
    bench.put_all()
    bench.worker.start()
    bench.until_durable()
    assert bench.held == IDS


def test_a_rejected_event_is_parked_and_the_others_go_on(make_bench: MakeBench) -> None:
    bench = make_bench()
    refused = positions(BATCHES)[4]
    bench.sink.reject([refused])
    bench.put_all()
    bench.worker.start()
    bench.until_durable()
    assert bench.held == [i for i, p in zip(IDS, positions(BATCHES), strict=True) if p != refused]
    assert [(sink, event.position) for sink, event, _ in bench.parked] == [("memory", refused)]


def test_without_dead_letters_the_first_rejection_stops(make_bench: MakeBench) -> None:
    bench = make_bench(dead_letters=None)
    bench.sink.reject([positions(BATCHES)[4]])
    bench.put_all()
    bench.worker.start()
    eventually(lambda: bench.failures, message="the worker gives up")
    assert str(positions(BATCHES)[4]) in str(bench.failures[0])
    assert bench.durable[-1:] <= [positions(BATCHES)[3]]


def test_a_dead_letter_that_cannot_be_parked_stops_before_it_counts(
    make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = make_bench()
    refused = positions(BATCHES)[4]
    bench.sink.reject([refused])
    problem = EnvironmentProblem("No space left.")

    def fail(*_: object) -> None:
        raise problem

    monkeypatch.setattr(bench, "park", fail)
    bench.put_all()
    bench.worker.start()
    eventually(lambda: bench.failures == [problem], message="the worker gives up")
    assert all(position < refused for position in bench.durable)


def test_an_error_that_waiting_does_not_mend_stops_the_worker(make_bench: MakeBench) -> None:
    bench = make_bench()
    problem = EnvironmentProblem("The target refuses us.")
    bench.sink.fail_before_write(problem)
    bench.put_all()
    bench.worker.start()
    eventually(lambda: bench.failures == [problem], message="the worker gives up")
    assert bench.sink.calls[-1] == "close"


def test_a_fault_of_the_sink_does_not_go_unseen(make_bench: MakeBench) -> None:
    bench = make_bench()
    bench.sink.fail_poll(ZeroDivisionError())
    bench.put_all()
    bench.worker.start()
    eventually(lambda: bench.failures, message="the worker gives up")
    assert isinstance(bench.failures[0], ZeroDivisionError)
    assert bench.durable == []


def test_a_deadline_ends_the_retries(make_bench: MakeBench) -> None:
    policy = RetryPolicy(initial_delay_ms=1, max_delay_ms=1, deadline_seconds=0.02)
    bench = make_bench(backoff=Backoff(policy))
    bench.sink.fail_open(*[away() for _ in range(1000)])
    bench.worker.start()
    eventually(lambda: bench.failures, message="the worker gives up")
    assert "did not recover within what retry allows" in str(bench.failures[0])


def test_draining_finishes_what_is_there(make_bench: MakeBench) -> None:
    bench = make_bench()
    bench.put_all()
    bench.worker.start()
    bench.worker.drain()
    assert bench.worker.join(10)
    assert bench.held == IDS


def test_a_held_sink_keeps_its_events_unconfirmed(make_bench: MakeBench) -> None:
    bench = make_bench()
    bench.sink.hold()
    bench.worker.start()
    bench.put_all()
    eventually(lambda: "poll" in bench.sink.calls, message="the sink is polled")
    assert bench.durable == []
    assert not bench.worker.idle
    assert not bench.worker.join(0)


def test_one_thread_makes_all_calls(make_bench: MakeBench) -> None:
    bench = make_bench()
    bench.put_all()
    bench.sink.fail_poll(away())
    bench.worker.start()
    bench.until_durable()
    assert len(bench.sink.threads) == 1


# What the sink does not get


def only(*wanted: Position) -> Selection:
    return Selection(Filter(conditions=[lambda event: event.position in wanted]))


@pytest.mark.parametrize(
    "wanted",
    [[], [(0, 0)], [(0, 2)], [(2, 1)], [(4, 2)], [(4, 0)], [(1, 1), (3, 0)]],
    ids=["nothing", "head", "border", "middle", "end", "not the tail", "two"],
)
def test_what_is_filtered_away_becomes_durable_with_what_is_before_it(
    make_bench: MakeBench, wanted: list[tuple[int, int]]
) -> None:
    chosen = [BATCHES[batch].events[number] for batch, number in wanted]
    bench = make_bench(selection=only(*(event.position for event in chosen)))
    bench.worker.start()
    bench.put_all()
    bench.until_durable()
    assert bench.held == [event.event_id for event in chosen]
    assert bench.durable == sorted(bench.durable)
    assert bench.worker.idle


def test_what_is_behind_an_event_that_is_not_durable_waits_for_it(make_bench: MakeBench) -> None:
    wanted = BATCHES[2].events[1].position
    bench = make_bench(selection=only(wanted))
    bench.sink.hold()
    bench.worker.start()
    bench.put_all()
    bench.until_durable(BATCHES[1].last)
    eventually(lambda: "write" in bench.sink.calls, message="the event is written")
    assert bench.durable[-1] == BATCHES[1].last
    bench.sink.release()
    bench.until_durable()


@pytest.mark.parametrize("seed", range(20))
def test_a_filter_and_an_unsteady_target_lose_nothing(make_bench: MakeBench, seed: int) -> None:
    print(f"seed {seed}")
    choose = random.Random(seed)
    every = [event for batch in BATCHES for event in batch.events]
    chosen = [event for event in every if choose.random() < 0.4]
    bench = make_bench(selection=only(*(event.position for event in chosen)))
    bench.sink.fail_before_write(*[away() for _ in range(choose.randrange(3))])
    bench.sink.fail_poll(*[away() for _ in range(choose.randrange(3))])
    bench.sink.fail_after_write(*[away() for _ in range(choose.randrange(3))])
    bench.worker.start()
    bench.put_all()
    bench.until_durable()
    assert list(dict.fromkeys(bench.held)) == [event.event_id for event in chosen]
    assert bench.durable == sorted(bench.durable)


def test_the_dead_letter_is_the_event_as_it_came(make_bench: MakeBench) -> None:
    users = TablePattern.parse("public.users", setting="columns")
    shape = Shape([Columns(tables=users, names=frozenset({"id"}))])
    bench = make_bench(selection=Selection(None, shape))
    refused = BATCHES[1].events[1]
    bench.sink.reject([refused.position])
    bench.worker.start()
    bench.put_all()
    bench.until_durable()
    [(_, parked, _)] = bench.parked
    assert parked is refused
    assert all(set(event["new_values"]) == {"id"} for event in bench.target.events)


def test_what_a_filter_cannot_decide_on_is_parked_and_the_others_go_on(
    make_bench: MakeBench,
) -> None:
    odd = BATCHES[4].events[2]  # the last of all: nothing behind it can settle it

    def condition(event: CdcEvent) -> bool:
        if event is odd:
            raise Undecided("division by zero")
        return True

    bench = make_bench(selection=Selection(Filter(conditions=[condition])))
    bench.put_all()
    bench.worker.start()
    bench.until_durable()
    assert bench.parked == [("memory", odd, "division by zero")]
    assert bench.held == IDS[:-1]

    strict = make_bench(selection=Selection(Filter(conditions=[condition])), dead_letters=None)
    strict.put_all()
    strict.worker.start()
    eventually(lambda: strict.failures, message="the worker gives up")
    assert str(odd.position) in str(strict.failures[0])


# Pausing


def test_a_paused_sink_gets_nothing_until_it_is_resumed(make_bench: MakeBench) -> None:
    bench = make_bench(paused=True)
    bench.worker.start()
    bench.put_all()
    bench.worker.pause()
    assert bench.sink.calls == []
    bench.worker.resume()
    bench.until_durable()
    assert bench.held == IDS


def test_a_sink_that_is_paused_settles_what_it_has_and_is_closed(make_bench: MakeBench) -> None:
    bench = make_bench()
    bench.worker.start()
    bench.worker.backlog.put(BATCHES[0])
    bench.until_durable(BATCHES[0].last)
    bench.worker.pause()
    eventually(lambda: bench.sink.calls[-1] == "close", message="the sink is closed")
    for batch in BATCHES[1:]:
        bench.worker.backlog.put(batch)
    bench.worker.resume()
    bench.until_durable()
    assert bench.held == IDS


def test_resuming_ends_the_pause_between_two_attempts(make_bench: MakeBench) -> None:
    patient = RetryPolicy(initial_delay_ms=600_000, max_delay_ms=600_000, jitter=False)
    bench = make_bench(backoff=Backoff(patient))
    bench.sink.fail_open(away())
    bench.put_all()
    bench.worker.start()
    eventually(lambda: "close" in bench.sink.calls, message="the first attempt has failed")
    eventually(lambda: bench.worker.resume() or bench.durable, message="it goes on")
    bench.until_durable()


def test_draining_does_not_wait_for_a_paused_sink(make_bench: MakeBench) -> None:
    bench = make_bench(paused=True)
    bench.worker.start()
    bench.put_all()
    bench.worker.drain()
    eventually(lambda: bench.worker.ended, message="the thread has ended")
    assert not bench.worker.idle


def test_a_sink_that_may_give_up_is_paused_by_its_error_and_goes_on_when_resumed(
    make_bench: MakeBench,
) -> None:
    given_up: list[Exception] = []
    bench = make_bench(give_up=given_up.append)
    problem = EnvironmentProblem("The target refuses us.")
    bench.sink.fail_before_write(problem)
    bench.put_all()
    bench.worker.start()
    eventually(lambda: given_up == [problem], message="the worker gives up")
    assert bench.failures == []
    eventually(lambda: bench.worker.resume() or bench.durable[-1:] == [LAST], message="it goes on")
    assert bench.held == IDS
