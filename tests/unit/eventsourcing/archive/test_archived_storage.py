"""A store of which a part is archived reads exactly as it did before."""

import random
import threading
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from bridge.core.errors import EnvironmentProblem
from bridge.core.events import Position
from bridge.eventsourcing import EventStore, EventStoreConfig
from bridge.eventsourcing.archive import archiver
from bridge.eventsourcing.archive.storage import ArchivedStorage
from bridge.eventsourcing.errors import ConcurrencyConflict, EventIdTaken, InvalidInput
from bridge.eventsourcing.expected_version import ANY, NO_STREAM
from bridge.eventsourcing.records import Progress, Recorded, Write
from bridge.eventsourcing.storage import EventStorage
from tests.unit.eventsourcing.archive.stores import (
    DAY,
    TYPES,
    MemoryFiles,
    append,
    archive,
    fill,
    memory_storage,
    new_event,
    snapshot,
)


def paged(read, limit: int, place: str, after: int = 0) -> list[Recorded]:  # type: ignore[no-untyped-def]
    """Read to the end, trusting that a short page is the last one."""
    found: list[Recorded] = []
    while True:
        page = read(after, limit)
        found += page
        if len(page) < limit:
            return found
        after = getattr(page[-1], place)


def assert_reads(storage: EventStorage, events: list[Recorded], limit: int) -> None:
    """Check every way of reading against the list of all events ever appended."""
    assert paged(storage.read_all, limit, "global_sequence") == events
    for kind in TYPES:
        assert paged(
            lambda after, limit: storage.read_type(kind, after, limit),  # noqa: B023
            limit,
            "global_sequence",
        ) == [event for event in events if event.event_type == kind]
    for one in {event.aggregate_id for event in events}:
        own = [event for event in events if event.aggregate_id == one]
        for after in (0, len(own) // 2, len(own)):
            assert (
                paged(
                    lambda after, limit: storage.read_aggregate("Account", one, after, limit),  # noqa: B023
                    limit,
                    "sequence",
                    after,
                )
                == own[after:]
            )


@pytest.mark.parametrize("seed", range(12))
def test_reads_cross_the_boundary_unseen(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(seed)
    monkeypatch.setattr(archiver, "_AGGREGATES_IN_MEMORY", chance.choice([1, 3, 100]))
    live, files = memory_storage(), MemoryFiles()
    storage = ArchivedStorage(live, files)
    everything: list[Recorded] = []
    contained: dict[str, int] = {}
    for round_number in range(3):
        fill(storage, chance, 60, first=1 + 60 * round_number)
        everything += live.read_all(len(everything), 1000)
        for one in chance.sample(range(6), 4):
            head = live.head("Account", f"a{one}")
            if head is not None:
                last = chance.randint(1, head.last_sequence)
                snapshot(storage, f"a{one}", last, version=chance.randint(1, 2))
                contained[f"a{one}"] = max(last, contained.get(f"a{one}", 0))
        archive(live, files, segment_events=chance.choice([1, 7, 1000]))

        assert live.read_all(0, 1000) == [
            event for event in everything if event.sequence > contained.get(event.aggregate_id, 0)
        ]
        assert_reads(storage, everything, chance.choice([1, 3, 64, 1000]))


def test_only_old_events_below_a_snapshot_move() -> None:
    live, files = memory_storage(), MemoryFiles()
    append(live, "kept", new_event(1))
    append(live, "moved", *(new_event(n) for n in range(2, 6)))
    append(live, "moved", new_event(6, age=-DAY))  # a clock that was ahead stops nobody else
    append(live, "moved", new_event(7))
    append(live, "other", new_event(8))
    append(live, "young", new_event(9, age=DAY))
    append(live, "late", new_event(10))
    for one, last in (("moved", 6), ("other", 1), ("young", 1), ("late", 1)):
        snapshot(live, one, last)

    assert archive(live, files) == 5

    assert [event.event_id for event in live.read_all(0, 100)] == [
        new_event(number).event_id for number in (1, 6, 7, 9, 10)
    ]
    assert live.head("Account", "moved")[2:] == (6, 4)  # type: ignore[index]
    assert archive(live, files) == 0


def test_an_archived_event_is_still_known_by_its_id() -> None:
    live, files = memory_storage(), MemoryFiles()
    storage = ArchivedStorage(live, files)
    first, second = append(storage, "a", new_event(1), new_event(2))
    snapshot(storage, "a", 2)
    assert archive(live, files) == 2

    again = Write("Account", "a", NO_STREAM, (new_event(1), new_event(2)))
    assert storage.append([again]) == [first, second]
    fresh = Write("Account", "b", ANY, (new_event(3),))
    stored = storage.append([fresh, again, fresh])
    assert [event.sequence for event in stored] == [1, 1, 2, 1]
    with pytest.raises(EventIdTaken):
        storage.append([Write("Account", "a", ANY, (new_event(1), new_event(4)))])
    with pytest.raises(ConcurrencyConflict):
        storage.append([Write("Account", "a", NO_STREAM, (new_event(5),))])
    [third] = storage.append([Write("Account", "a", 2, (new_event(6),))])
    assert third.sequence == 3


def test_what_a_projection_appends_is_not_looked_up() -> None:
    live, files = memory_storage(), MemoryFiles()
    storage = ArchivedStorage(live, files)
    append(storage, "a", new_event(1))
    snapshot(storage, "a", 1)
    archive(live, files)
    files.contents.clear()
    progress = Progress("accounts", Position(0x10, 0), "here")
    [event] = storage.append([Write("Account", "a", ANY, (new_event(2),))], progress)
    assert event.sequence == 2
    assert storage.progress("accounts") == progress


def test_a_reader_sees_each_event_once_while_events_move() -> None:
    live, files = memory_storage(), MemoryFiles()
    storage = ArchivedStorage(live, files)
    fill(live, random.Random(3), 600)
    everything = live.read_all(0, 1000)
    problems: list[str] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            if paged(storage.read_all, 50, "global_sequence") != everything:
                problems.append("all")
            own = [event for event in everything if event.aggregate_id == "a1"]
            if storage.read_aggregate("Account", "a1", 0, 1000) != own:
                problems.append("aggregate")

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    try:
        for last in range(5, 90, 5):
            for one in range(6):
                if live.head("Account", f"a{one}").last_sequence >= last:  # type: ignore[union-attr]
                    snapshot(live, f"a{one}", last)
            archive(live, files, segment_events=16)
    finally:
        done.set()
        for reader in readers:
            reader.join()
    assert problems == []
    assert len(live.segments()) > 20


class MovesMeanwhile:
    """A storage whose events are archived right after somebody has read some of them."""

    def __init__(self, inner: EventStorage, files: MemoryFiles) -> None:
        self._inner = inner
        self._files = files

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inner, name)
        if not name.startswith("read_"):
            return method

        def read_then_move(*arguments: Any) -> Any:
            found = method(*arguments)
            archive(self._inner, self._files)
            return found

        return read_then_move


@pytest.mark.parametrize("limit", [1, 2, 3, 10])
def test_what_moves_during_a_read_is_seen_once(limit: int) -> None:
    for way in ("all", "type", "aggregate"):
        live, files = memory_storage(), MemoryFiles()
        events = append(live, "a", *(new_event(number) for number in range(1, 6)))
        snapshot(live, "a", 2)
        archive(live, files)
        snapshot(live, "a", 4)
        storage: Any = ArchivedStorage(MovesMeanwhile(live, files), files)  # type: ignore[arg-type]
        read = {
            "all": storage.read_all,
            "type": partial(storage.read_type, "Deposited"),
            "aggregate": partial(storage.read_aggregate, "Account", "a"),
        }[way]
        assert read(0, limit) == events[:limit]
        assert live.counts()["events"] == 1


class StopsHalfway:
    """A storage that registers a segment and ends before it removes the events."""

    def __init__(self, inner: EventStorage) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    def archive(self, segment: object, removed: object) -> None:
        events = self._inner._events  # type: ignore[attr-defined]
        by_aggregate = {key: list(a.events) for key, a in self._inner._aggregates.items()}  # type: ignore[attr-defined]
        self._inner.archive(segment, removed)  # type: ignore[arg-type]
        self._inner._events = events  # type: ignore[attr-defined]
        for key, own in by_aggregate.items():
            self._inner._aggregates[key].events = own  # type: ignore[attr-defined]
        raise KeyboardInterrupt


def test_events_that_a_storage_did_not_come_to_remove_are_seen_once_and_removed_later() -> None:
    live, files = memory_storage(), MemoryFiles()
    fill(live, random.Random(1), 50)
    everything = live.read_all(0, 100)
    snapshot(live, "a1", live.head("Account", "a1").last_sequence)  # type: ignore[union-attr]
    with pytest.raises(KeyboardInterrupt):
        archive(StopsHalfway(live), files)  # type: ignore[arg-type]
    storage = ArchivedStorage(live, files)
    assert len(live.read_all(0, 100)) == 50
    assert_reads(storage, everything, 7)

    assert archive(live, files) == 0

    assert len(live.read_all(0, 100)) < 50
    assert_reads(storage, everything, 7)


def test_a_segment_that_is_needed_and_not_there_is_an_error() -> None:
    live, files = memory_storage(), MemoryFiles()
    append(live, "a", new_event(1))
    snapshot(live, "a", 1)
    archive(live, files)
    [event] = append(live, "a", new_event(2, age=DAY))

    with pytest.raises(EnvironmentProblem, match=r"nothing says where that is\. Set archive\.dir"):
        ArchivedStorage(live, None).read_all(0, 10)
    assert ArchivedStorage(live, None).read_all(1, 10) == [event]
    files.contents.clear()
    with pytest.raises(EnvironmentProblem, match="is missing"):
        ArchivedStorage(live, files).read_aggregate("Account", "a", 0, 10)


def test_nothing_is_removed_when_the_disk_gives_back_something_else() -> None:
    live, files = memory_storage(), MemoryFiles()
    append(live, "a", new_event(1))
    snapshot(live, "a", 1)
    files.write = lambda name, data: files.contents.update({name: data[:-1] + b"x"})  # type: ignore[method-assign]
    with pytest.raises(EnvironmentProblem, match="does not hold what was just written"):
        archive(live, files)
    assert live.counts()["events"] == 1
    assert live.segments() == ()


def test_the_event_store_archives_if_it_may() -> None:
    live, files = memory_storage(), MemoryFiles()
    append(live, "a", new_event(1), new_event(2))
    snapshot(live, "a", 2)
    storage = ArchivedStorage(live, files)
    with pytest.raises(InvalidInput, match="Set enable_archiving"):
        EventStore(storage).archive(timedelta(days=30))
    allowed = EventStoreConfig(enable_archiving=True)
    with pytest.raises(InvalidInput, match="This storage cannot archive"):
        EventStore(live, allowed).archive(timedelta(days=30))
    with pytest.raises(InvalidInput, match=r"Set archive\.dir"):
        EventStore(ArchivedStorage(live, None), allowed).archive(timedelta(days=30))

    store = EventStore(storage, allowed)

    assert store.archive(timedelta(days=365 * 200)) == 0
    assert store.archive(timedelta(days=30)) == 2
    stats = store.get_stats()
    assert (stats.events, stats.archived_events, stats.segments) == (2, 2, 1)
    assert [event.sequence for event in store.get_events("a")] == [1, 2]


def test_only_segments_that_may_hold_an_aggregate_are_opened() -> None:
    live, files = memory_storage(), MemoryFiles()
    for number in range(1, 61):
        append(live, f"a{(number - 1) // 2}", new_event(number))
    for number in range(30):
        snapshot(live, f"a{number}", 2)
    assert archive(live, files, segment_events=2) == 60
    opened: list[str] = []
    read = files.read
    files.read = lambda name, at, length: (opened.append(name), read(name, at, length))[1]  # type: ignore[method-assign, func-returns-value]
    storage = ArchivedStorage(live, files)

    assert len(storage.read_aggregate("Account", "a0", 0, 10)) == 2
    assert len(set(opened)) == 1
    assert len(storage.read_aggregate("Account", "a29", 0, 10)) == 2
    opened.clear()
    assert len(storage.read_aggregate("Account", "a20", 0, 10)) == 2
    assert storage.append([Write("Account", "a7", 2, (new_event(61),))])[0].sequence == 3
    assert len(opened) == 3  # footer, index and a block of one segment
