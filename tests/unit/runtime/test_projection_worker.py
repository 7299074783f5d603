"""The thread of a projection: what is stored with what, what waits, and what stops it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from uuid import NAMESPACE_OID, uuid5

import pytest
from structlog.testing import capture_logs

from bridge.core.errors import ConfigError, EnvironmentProblem, Transient
from bridge.core.events import CdcEvent, Position
from bridge.core.relation import Relation
from bridge.core.retry import RetryPolicy
from bridge.eventsourcing import ANY, MemoryStorage
from bridge.eventsourcing.records import NewEvent, Progress, Recorded, Write
from bridge.runtime.backlog import Backlog, BacklogLimits
from bridge.runtime.projecting.existing_rows import ExistingRows
from bridge.runtime.projecting.worker import ProjectionWorker, participant
from bridge.runtime.retry import Backoff
from tests.fixtures.events import make_batch, many_transactions
from tests.fixtures.waiting import eventually

BATCHES = many_transactions(5)
LAST = BATCHES[-1].last
EVENTS = 15
SOURCE = "7412345678901234567/shop/bridge"


class WatchedStorage(MemoryStorage):
    """A storage that can be away, and knows what was appended together."""

    def __init__(self) -> None:
        super().__init__("a1" * 16)
        self.failures: list[Exception] = []
        self.appends: list[tuple[int, Progress | None]] = []

    def append(self, writes: Sequence[Write], progress: Progress | None = None) -> list[Recorded]:
        if self.failures:
            raise self.failures.pop(0)
        stored = super().append(writes, progress)
        self.appends.append((len(writes), progress))
        return stored


class Told:
    """A projector that makes an event of every change; of some ordinals none, or one refused."""

    name = "accounts"

    def __init__(self) -> None:
        self.silent = False
        self.looks = True
        self.error: Exception | None = None
        self.rejects: set[Position] = set()
        self.takes_ids: set[Position] = set()
        self._rejected: list[tuple[CdcEvent, str]] = []

    def project(self, events: Sequence[CdcEvent]) -> list[Write]:
        writes: list[Write] = []
        for event in events:
            if event.position in self.rejects:
                self._rejected.append((event, "no value"))
            elif not self.silent:
                place = "7" if event.position in self.takes_ids else str(event.position)
                new = NewEvent(str(uuid5(NAMESPACE_OID, place)), "Seen", 1, 0, "{}", "{}")
                writes.append(Write("User", str(event.position), ANY, (new,)))
        return writes

    def reads(self, relation: Relation) -> bool:
        if self.error is not None:
            raise self.error
        return self.looks

    def take_rejected(self) -> list[tuple[CdcEvent, str]]:
        rejected, self._rejected = self._rejected, []
        return rejected


class Bench:
    """A worker, and what it reports."""

    def __init__(
        self,
        directory: Path,
        *,
        storage: WatchedStorage | None = None,
        position: Position | None = None,
        rows: ExistingRows | None = None,
        interval_s: float = 0.0,
    ) -> None:
        self.projector = Told()
        self.rows = rows
        self.storage = storage or WatchedStorage()
        self.durable: list[tuple[str, Position]] = []
        self.parked: list[tuple[str, Position, str]] = []
        self.failures: list[Exception] = []
        self.started = False
        limits = BacklogLimits(max_events=1000, max_bytes=1_000_000, spool_bytes=1_000_000)
        self.worker = ProjectionWorker(
            self.projector,
            self.storage,
            Backlog(limits, directory),
            source=SOURCE,
            position=position,
            rows=rows,
            interval_s=interval_s,
            dead_letters=self,
            durable=lambda name, position: self.durable.append((name, position)),
            failed=self.failures.append,
            backoff=Backoff(RetryPolicy(initial_delay_ms=1, max_delay_ms=2)),
            monotonic=time.monotonic,
        )

    def park(self, sink: str, event: CdcEvent, reason: str, attempts: int) -> None:
        self.parked.append((sink, event.position, reason))

    def close(self) -> None:
        if self.started:
            self.worker.join(0)
        self.worker.backlog.close()
        if self.rows is not None:
            self.rows.close()

    def start(self) -> Bench:
        self.started = True
        for batch in BATCHES:
            self.worker.backlog.put(batch)
        self.worker.start()
        return self

    def until_durable(self, position: Position = LAST) -> None:
        eventually(
            lambda: self.durable and self.durable[-1] == (participant("accounts"), position),
            message=f"{position} is durable",
        )

    def told(self) -> list[str]:
        return [event.aggregate_id for event in self.storage.read_all(0, 1000)]


MakeBench = Callable[..., Bench]
PLACES = [str(event.position) for batch in BATCHES for event in batch.events]


@pytest.fixture
def make_bench(tmp_path: Path) -> Iterator[MakeBench]:
    with ExitStack() as ending:

        def make(**settings: object) -> Bench:
            bench = Bench(tmp_path, **settings)  # type: ignore[arg-type]
            ending.callback(bench.close)
            return bench

        yield make


def test_events_and_their_position_are_stored_in_one_append(make_bench: MakeBench) -> None:
    bench = make_bench().start()
    bench.until_durable()
    assert bench.told() == PLACES
    assert [event.sequence for event in bench.storage.read_all(0, 1000)] == [1] * EVENTS
    assert bench.storage.progress("accounts") == Progress("accounts", LAST, SOURCE)
    assert all(progress is not None for _, progress in bench.storage.appends)
    assert bench.worker.stored == EVENTS
    bench.worker.drain()
    assert bench.worker.join(5)


def test_what_is_stored_already_is_not_projected_again(make_bench: MakeBench) -> None:
    middle = BATCHES[2].events[0].position
    bench = make_bench(position=middle).start()
    bench.until_durable()
    assert bench.told() == PLACES[7:]


def test_a_storage_that_is_away_is_tried_again_and_nothing_is_told_before(
    make_bench: MakeBench,
) -> None:
    storage = WatchedStorage()
    storage.failures = [Transient("The store is away.")] * 3
    with capture_logs() as entries:
        bench = make_bench(storage=storage).start()
        bench.until_durable()
    retries = [entry for entry in entries if entry["event"] == "projection_store_retry"]
    assert [entry["projection"] for entry in retries] == ["accounts"] * 3
    assert bench.told() == PLACES
    assert bench.durable[0][1] >= BATCHES[0].last


def test_an_end_while_the_storage_is_away_leaves_the_rest_to_the_next_start(
    make_bench: MakeBench,
) -> None:
    storage = WatchedStorage()
    storage.failures = [Transient("The store is away.")] * 10_000
    bench = make_bench(storage=storage).start()
    bench.worker.drain()
    assert not bench.worker.join(0.05)
    assert (bench.durable, bench.told(), bench.failures) == ([], [], [])
    assert bench.worker.ended


def test_changes_without_events_move_the_position_at_intervals(make_bench: MakeBench) -> None:
    bench = make_bench(interval_s=3600.0)
    bench.projector.silent = True
    bench.start()
    bench.until_durable(LAST)  # the first look is due at once
    assert [writes for writes, _ in bench.storage.appends] == [0]
    bench.worker.backlog.put(make_batch((0x9000, 0)))
    eventually(lambda: bench.worker.backlog.events == 0, message="it was taken")
    assert bench.durable[-1][1] == LAST
    bench.worker.drain()
    assert bench.worker.join(5)
    assert bench.durable[-1][1] == Position(0x9000, 0)


def test_what_gives_no_event_is_a_dead_letter(make_bench: MakeBench) -> None:
    bench = make_bench()
    rejected = BATCHES[1].events[1].position
    bench.projector.rejects = {rejected}
    bench.start().until_durable()
    assert bench.parked == [("projection:accounts", rejected, "no value")]
    assert bench.told() == [place for place in PLACES if place != str(rejected)]


def test_an_event_that_the_storage_refuses_is_a_dead_letter_and_the_others_are_stored_in_order(
    make_bench: MakeBench,
) -> None:
    bench = make_bench()
    first, second = BATCHES[1].events[1].position, BATCHES[3].events[0].position
    bench.projector.takes_ids = {first, second}  # with the same event_id, of another aggregate
    bench.start().until_durable()
    [(sink, parked, reason)] = bench.parked
    assert (sink, parked) == ("projection:accounts", second)
    assert "event_id" in reason
    assert bench.told() == [place for place in PLACES if place != str(second)]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (EnvironmentProblem("The file is damaged.", remedy="Restore it."), EnvironmentProblem),
        (ZeroDivisionError("secret"), Exception),
    ],
)
def test_what_cannot_go_on_ends_the_bridge_with_its_name(
    make_bench: MakeBench, error: Exception, kind: type[Exception]
) -> None:
    storage = WatchedStorage()
    storage.failures = [error]
    bench = make_bench(storage=storage).start()
    [failure] = eventually(lambda: bench.failures, message="it failed")
    assert isinstance(failure, kind)
    assert "Projection 'accounts'" in str(failure)
    assert "secret" not in str(failure)
    assert bench.durable == []


def test_existing_rows_are_told_when_all_of_them_are_there(
    make_bench: MakeBench, tmp_path: Path
) -> None:
    bench = make_bench(rows=ExistingRows.begin(tmp_path, "accounts")).start()
    bench.until_durable()
    assert bench.storage.appends == []
    bench.worker.rows_are_complete()
    bench.worker.backlog.put(make_batch((0x9000, 0)))
    bench.until_durable(Position(0x9000, 0))
    assert bench.told() == [*PLACES, str(Position(0x9000, 0))]
    assert bench.storage.progress("accounts") == Progress("accounts", Position(0x9000, 0), SOURCE)
    assert ExistingRows.find(tmp_path, "accounts") is None


def test_a_snapshot_that_is_interrupted_has_told_nothing(
    make_bench: MakeBench, tmp_path: Path
) -> None:
    bench = make_bench(rows=ExistingRows.begin(tmp_path, "accounts")).start()
    bench.until_durable()
    bench.worker.drain()
    assert bench.worker.join(5)
    assert (bench.storage.appends, bench.failures) == ([], [])


def test_rows_are_told_to_the_end_by_the_next_start(make_bench: MakeBench, tmp_path: Path) -> None:
    with closing(ExistingRows.begin(tmp_path, "accounts")) as rows:
        rows.add(BATCHES)
    storage = WatchedStorage()
    storage.append([], Progress("accounts", BATCHES[2].events[0].position, SOURCE))
    bench = make_bench(
        storage=storage,
        position=BATCHES[2].events[0].position,
        rows=ExistingRows.find(tmp_path, "accounts"),
    )
    bench.worker.start()
    bench.started = True
    bench.worker.drain()
    assert bench.worker.join(5)
    assert bench.told() == PLACES[7:]
    assert ExistingRows.find(tmp_path, "accounts") is None


def test_rows_stay_while_the_storage_is_away(make_bench: MakeBench, tmp_path: Path) -> None:
    with closing(ExistingRows.begin(tmp_path, "accounts")) as rows:
        rows.add(BATCHES)
    storage = WatchedStorage()
    storage.failures = [Transient("The store is away.")] * 10_000
    bench = make_bench(storage=storage, rows=ExistingRows.find(tmp_path, "accounts")).start()
    bench.worker.drain()
    assert not bench.worker.join(0.05)
    left = ExistingRows.find(tmp_path, "accounts")
    assert left is not None
    assert left.last == LAST


def test_of_tables_that_nobody_reads_only_positions_are_set_aside(
    make_bench: MakeBench, tmp_path: Path
) -> None:
    rows = ExistingRows.begin(tmp_path, "accounts")
    bench = make_bench(rows=rows)
    bench.projector.looks = False
    bench.start().until_durable()
    assert [batch.events[0].position for batch in rows.batches(None)] == [b.last for b in BATCHES]
    assert all(len(batch) == 1 for batch in rows.batches(None))


def test_a_definition_that_does_not_fit_is_found_by_the_first_row(
    make_bench: MakeBench, tmp_path: Path
) -> None:
    bench = make_bench(rows=ExistingRows.begin(tmp_path, "accounts"))
    bench.projector.error = ConfigError("projections[0].id: there is no column nmae.")
    bench.start()
    [failure] = eventually(lambda: bench.failures, message="it failed")
    assert isinstance(failure, ConfigError)
    assert bench.durable == []
