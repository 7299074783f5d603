"""The bounded queue before a sink: memory first, then disk, always in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from threading import Thread

import pytest

from bridge.core.events import EventBatch
from bridge.runtime.backlog import Backlog, BacklogLimits
from tests.fixtures.events import as_json, many_transactions, positions
from tests.fixtures.waiting import eventually

BATCHES = many_transactions(20, size=3)


MakeBacklog = Callable[..., Backlog]


@pytest.fixture
def make_backlog(tmp_path: Path) -> Iterator[MakeBacklog]:
    with ExitStack() as stack:

        def make(
            *,
            max_events: int = 9,
            spool_bytes: int = 1_000_000,
            room: Callable[[], None] = lambda: None,
        ) -> Backlog:
            limits = BacklogLimits(
                max_events=max_events, max_bytes=1_000_000, spool_bytes=spool_bytes
            )
            return stack.enter_context(closing(Backlog(limits, tmp_path, room)))

        yield make


def drain(backlog: Backlog) -> list[EventBatch]:
    taken = []
    while not backlog.empty:
        for batch in backlog.take(0):
            taken.append(batch)
            backlog.release(batch)
    return taken


def test_what_fits_stays_in_memory(make_backlog: MakeBacklog) -> None:
    backlog = make_backlog()
    for batch in BATCHES[:3]:
        backlog.put(batch)
    assert backlog.spooled_bytes == 0
    assert backlog.take(0) == BATCHES[:3]


def test_more_goes_to_disk_and_comes_back_in_order_and_whole(make_backlog: MakeBacklog) -> None:
    backlog = make_backlog()
    for batch in BATCHES:
        backlog.put(batch)
    assert backlog.spooled_bytes > 0
    assert backlog.events <= 9
    taken = drain(backlog)
    assert positions(taken) == positions(BATCHES)
    assert as_json(taken) == as_json(BATCHES)
    assert [batch.size_bytes for batch in taken] == [batch.size_bytes for batch in BATCHES]
    assert backlog.spooled_bytes == 0
    assert backlog.events == 0


@pytest.mark.parametrize("every", [2, 3, 5, 7])
def test_order_survives_mixing_memory_and_disk(make_backlog: MakeBacklog, every: int) -> None:
    backlog = make_backlog(max_events=6)
    taken: list[EventBatch] = []
    for number, batch in enumerate(BATCHES):
        backlog.put(batch)
        if number % every == 0:
            for one in backlog.take(0):
                taken.append(one)
                backlog.release(one)
    assert positions(taken + drain(backlog)) == positions(BATCHES)


def test_what_was_taken_counts_until_it_is_released(make_backlog: MakeBacklog) -> None:
    backlog = make_backlog(max_events=6)
    for batch in BATCHES[:2]:
        backlog.put(batch)
    taken = backlog.take(0)
    assert backlog.congested
    backlog.release(taken[0])
    assert not backlog.congested


def test_a_full_spool_is_reported_and_still_loses_nothing(make_backlog: MakeBacklog) -> None:
    backlog = make_backlog(max_events=3, spool_bytes=1)
    assert not backlog.full
    for batch in BATCHES:
        backlog.put(batch)
    assert backlog.full
    assert positions(drain(backlog)) == positions(BATCHES)
    assert not backlog.full


def test_connecting_again_is_worth_it_once_the_disk_is_empty(make_backlog: MakeBacklog) -> None:
    backlog = make_backlog(max_events=3)
    for batch in BATCHES[:4]:
        backlog.put(batch)
    while backlog.spooled_bytes:
        assert not backlog.relieved
        for batch in backlog.take(0):
            backlog.release(batch)
    drain(backlog)
    assert backlog.relieved


def test_without_a_spool_full_means_full_memory(make_backlog: MakeBacklog) -> None:
    backlog = make_backlog(max_events=3, spool_bytes=0)
    backlog.put(BATCHES[0])
    assert backlog.congested
    assert backlog.full
    backlog.put(BATCHES[1])
    assert positions(drain(backlog)) == positions(BATCHES[:2])


def test_a_disk_that_takes_nothing_is_a_full_spool(
    make_backlog: MakeBacklog, monkeypatch: pytest.MonkeyPatch
) -> None:
    backlog = make_backlog(max_events=3)
    backlog.put(BATCHES[0])
    backlog.put(BATCHES[1])  # the first one on disk
    monkeypatch.setattr("bridge.runtime.spool.Spool.append", lambda *_: False)
    backlog.put(BATCHES[2])
    assert backlog.full
    monkeypatch.undo()
    backlog.put(BATCHES[3])
    assert positions(drain(backlog)) == positions(BATCHES[:4])
    assert not backlog.full


def test_the_reader_hears_when_there_is_room_again(make_backlog: MakeBacklog) -> None:
    rung: list[bool] = []
    backlog = make_backlog(max_events=6, room=lambda: rung.append(True))
    for batch in BATCHES[:2]:
        backlog.put(batch)
    first, second = backlog.take(0)
    backlog.release(first)
    assert not rung
    backlog.release(second)
    assert rung == [True]


def test_taking_waits_for_a_batch(make_backlog: MakeBacklog) -> None:
    backlog = make_backlog()
    taken: list[EventBatch] = []
    taker = Thread(target=lambda: taken.extend(backlog.take(30)))
    taker.start()
    backlog.put(BATCHES[0])
    eventually(lambda: taken == [BATCHES[0]], message="the batch was taken")
    taker.join()


def test_nothing_is_left_on_disk(make_backlog: MakeBacklog, tmp_path: Path) -> None:
    backlog = make_backlog(max_events=3)
    for batch in BATCHES:
        backlog.put(batch)
    assert list(tmp_path.iterdir()) == []  # the spool has no name
