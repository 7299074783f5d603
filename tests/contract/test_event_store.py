"""What every storage of events promises (``bridge.eventsourcing.storage``)."""

from __future__ import annotations

import json
import random
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bridge.core.events import Position
from bridge.eventsourcing.archive.archiver import Archiver
from bridge.eventsourcing.archive.storage import ArchivedStorage
from bridge.eventsourcing.errors import ConcurrencyConflict, EventIdTaken
from bridge.eventsourcing.expected_version import ANY, NO_STREAM, STREAM_EXISTS, ExpectedVersion
from bridge.eventsourcing.records import (
    AggregateHead,
    Progress,
    Recorded,
    Segment,
    SnapshotRecord,
    Write,
)
from bridge.eventsourcing.storage import EventStorage
from bridge.runtime.eventstores.segments import SegmentDirectory
from tests.contract.event_storages import (
    ATOMIC_HOMES,
    DURABLE_HOMES,
    HOMES,
    DurableHome,
    Home,
    live_of,
    make_event,
    make_write,
)
from tests.fixtures.waiting import eventually

ROOT = Path(__file__).parents[2]
ALL = 1_000_000
WRITERS = 16


@pytest.fixture(params=HOMES)
def home(request: pytest.FixtureRequest) -> Home:
    made: Home = request.param(request)
    return made


@pytest.fixture
def storage(home: Home) -> Iterator[EventStorage]:
    storage = home.open()
    yield storage
    storage.close()


def numbers(events: list[Recorded]) -> list[int]:
    return [json.loads(event.data)["n"] for event in events]


def everything(storage: EventStorage) -> object:
    """Return all that a storage says about its content."""
    return (
        storage.identity,
        storage.read_all(0, ALL),
        storage.aggregates(None, ALL),
        storage.last(),
        storage.segments(),
        dict(storage.counts()),
    )


def test_a_new_storage_has_an_identity_and_nothing_else(storage: EventStorage) -> None:
    assert re.fullmatch("[0-9a-f]{8,}", storage.identity)
    assert everything(storage) == (
        storage.identity,
        [],
        [],
        0,
        (),
        {"events": 0, "aggregates": 0, "snapshots": 0},
    )
    assert storage.read_aggregate("Counter", "one", 0, ALL) == []
    assert storage.head("Counter", "one") is None
    assert storage.types_of("one") == ()
    assert storage.snapshot("Counter", "one", None) is None
    assert storage.progress("counting") is None


def test_events_are_numbered_in_their_aggregate_and_in_the_order_of_the_writes(
    storage: EventStorage,
) -> None:
    stored = storage.append(
        [make_write(1, 2), make_write(3, aggregate="two"), make_write(4), make_write(5, kind="Xyz")]
    )
    stored += storage.append([make_write(6, aggregate="two")])

    assert [(e.aggregate_type, e.aggregate_id, e.sequence) for e in stored] == [
        ("Counter", "one", 1),
        ("Counter", "one", 2),
        ("Counter", "two", 1),
        ("Counter", "one", 3),
        ("Xyz", "one", 1),
        ("Counter", "two", 2),
    ]
    places = [event.global_sequence for event in stored]
    assert places == sorted(set(places))
    assert places[0] >= 1
    assert storage.last() == places[-1]
    assert stored[0][4:] == make_event(1)
    assert storage.read_all(0, ALL) == stored
    assert storage.read_aggregate("Counter", "one", 0, ALL) == [stored[0], stored[1], stored[3]]
    assert storage.types_of("one") == ("Counter", "Xyz")
    assert storage.head("Counter", "one") == AggregateHead("Counter", "one", 3, 0)
    assert storage.counts() == {"events": 6, "aggregates": 3, "snapshots": 0}


def test_readers_get_pages_in_order(storage: EventStorage) -> None:
    for number in range(1, 8):
        kind = "Odd" if number % 2 else "Even"
        aggregate = "one" if number < 6 else "two"
        storage.append([make_write(number, aggregate=aggregate, event_type=kind)])

    def pages(read: Callable[[int, int], list[Recorded]], field: str) -> list[int]:
        found: list[Recorded] = []
        after = 0
        while page := read(after, 2):
            assert len(page) <= 2
            found += page
            after = getattr(page[-1], field)
        return numbers(found)

    one = pages(lambda after, n: storage.read_aggregate("Counter", "one", after, n), "sequence")
    odd = pages(lambda after, n: storage.read_type("Odd", after, n), "global_sequence")
    assert one == [1, 2, 3, 4, 5]
    assert odd == [1, 3, 5, 7]
    assert pages(storage.read_all, "global_sequence") == [1, 2, 3, 4, 5, 6, 7]
    assert storage.read_type("Never", 0, ALL) == []


def test_events_of_a_type_are_found_among_many(storage: EventStorage) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    choose = random.Random(seed)
    stored: list[Recorded] = []
    for _ in range(12):
        events = tuple(
            make_event(len(stored) + n)._replace(event_type=choose.choice(["Often"] * 9 + ["Rare"]))
            for n in range(choose.randrange(1, 90))
        )
        stored += storage.append([Write("Counter", choose.choice("ab"), ANY, events)])

    for kind in ("Often", "Rare"):
        wanted = [event for event in stored if event.event_type == kind]
        for after in (0, *choose.sample(range(len(stored)), 5)):
            later = [event for event in wanted if event.global_sequence > after]
            assert storage.read_type(kind, after, 50) == later[:50]


def test_aggregates_are_listed_by_code_points(storage: EventStorage) -> None:
    keys = [("A", "z"), ("B", "1"), ("B", "Z"), ("B", "a"), ("B", "é"), ("a", "0"), ("b", "x")]
    for number, (kind, aggregate) in enumerate(random.sample(keys, len(keys))):
        storage.append([make_write(number, kind=kind, aggregate=aggregate)])

    found: list[tuple[str, str]] = []
    while page := storage.aggregates(found[-1] if found else None, 3):
        found += [(head.aggregate_type, head.aggregate_id) for head in page]
    assert found == keys


def test_texts_come_back_as_they_were(storage: EventStorage) -> None:
    texts = ["1", "a.b", "a/b c", "*>$%_'\"\\", '[1,"x"]', "ключ 😀\n\t", "x" * 400]
    data = json.dumps({"n": 1, "é😀": "\0 \ud800 '", "big": 10**400, "f": 1e308})
    event = make_event(0)._replace(data=data, metadata='{"who":"ключ"}')
    for number, text in enumerate(texts, start=1):
        own = event._replace(event_id=make_event(number).event_id, event_type=text[:200])
        storage.append([Write(text[:200], text, NO_STREAM, (own,))])

    for number, text in enumerate(texts, start=1):
        (found,) = storage.read_aggregate(text[:200], text, 0, ALL)
        assert json.loads(found.data) == json.loads(data)
        assert found.metadata == '{"who":"ключ"}'
        assert (found.event_id, found.event_type) == (make_event(number).event_id, text[:200])
        assert storage.types_of(text) == (text[:200],)
        assert storage.read_type(text[:200], 0, ALL) == [found]


EXPECTATIONS: list[tuple[int, ExpectedVersion, bool]] = [
    (0, ANY, True),
    (0, NO_STREAM, True),
    (0, STREAM_EXISTS, False),
    (0, 1, False),
    (2, ANY, True),
    (2, NO_STREAM, False),
    (2, STREAM_EXISTS, True),
    (2, 1, False),
    (2, 2, True),
    (2, 3, False),
]


def test_an_expected_version_holds_or_nothing_is_stored(storage: EventStorage) -> None:
    for number, (there, expected, fits) in enumerate(EXPECTATIONS):
        aggregate, first = f"number {number}", 10 * number
        if there:
            storage.append([make_write(first + 1, first + 2, aggregate=aggregate)])
        write = make_write(first + 3, aggregate=aggregate, expected=expected)
        if fits:
            assert storage.append([write])[0].sequence == there + 1
        else:
            before = everything(storage)
            with pytest.raises(ConcurrencyConflict) as caught:
                storage.append([write])
            assert (caught.value.expected, caught.value.actual) == (expected, there)
            assert everything(storage) == before


def test_a_write_counts_for_those_behind_it(storage: EventStorage) -> None:
    storage.append(
        [make_write(1, 2, expected=NO_STREAM), make_write(3, expected=2), make_write(4, expected=3)]
    )

    assert numbers(storage.read_aggregate("Counter", "one", 0, ALL)) == [1, 2, 3, 4]


@pytest.mark.parametrize("home", ATOMIC_HOMES, indirect=True)
def test_an_append_that_fails_stores_none_of_its_writes_and_no_progress(
    storage: EventStorage,
) -> None:
    storage.append([make_write(1)], Progress("counting", Position(1, 0), "here"))
    before = everything(storage)

    with pytest.raises(ConcurrencyConflict):
        storage.append(
            [make_write(2, aggregate="two"), make_write(3, expected=7)],
            Progress("counting", Position(2, 0), "here"),
        )

    assert everything(storage) == before
    assert storage.progress("counting") == Progress("counting", Position(1, 0), "here")


def test_appending_again_what_is_stored_returns_it(storage: EventStorage) -> None:
    first = make_write(1, 2, expected=NO_STREAM)
    stored = storage.append([first, make_write(3, aggregate="two")])
    storage.append([make_write(4)])
    before = everything(storage)

    assert storage.append([first]) == stored[:2]  # its expectation would not hold any more
    assert storage.append([make_write(2, expected=9)]) == [stored[1]]
    assert everything(storage) == before

    mixed = storage.append([first, make_write(5), make_write(3, aggregate="two")])
    assert numbers(mixed) == [1, 2, 5, 3]
    assert numbers(storage.read_all(0, ALL)) == [1, 2, 3, 4, 5]


def test_an_event_id_belongs_to_one_event(storage: EventStorage) -> None:
    storage.append([make_write(1), make_write(2, aggregate="two")])
    before = everything(storage)

    for write in (
        make_write(1, aggregate="two"),  # of another aggregate
        make_write(1, kind="Other"),
        make_write(1, 3),  # one is stored, one is not
        make_write(3, 3),
    ):
        with pytest.raises(EventIdTaken) as caught:
            storage.append([write])
        assert caught.value.event_id in {event.event_id for event in write.events}
        assert everything(storage) == before


def test_progress_is_stored_with_events_or_alone(storage: EventStorage) -> None:
    first = Progress("counting", Position(0xFFFF_FFFF_FFFF_FFFF, 3), "cluster, ключ")
    storage.append([make_write(1)], first)
    assert storage.progress("counting") == first

    second = Progress("counting", Position(1, -1), "another")
    assert storage.append([], second) == []
    storage.append([], Progress("others", Position(5, 5), "x"))
    assert storage.progress("counting") == second
    assert storage.append([]) == []


def test_the_newest_snapshot_of_each_version_is_kept(storage: EventStorage) -> None:
    def snapshot(last: int, version: int = 1, state: str = '{"n":1}') -> SnapshotRecord:
        return SnapshotRecord("Counter", "one", last, version, 1_700_000_000_000_000, state)

    storage.append([make_write(*range(1, 10)), make_write(10, aggregate="two")])
    for made in (snapshot(3), snapshot(5), snapshot(4), snapshot(4, version=2)):
        storage.save_snapshot(made)

    assert storage.snapshot("Counter", "one", 1) == snapshot(5)
    assert storage.snapshot("Counter", "one", 2) == snapshot(4, version=2)
    assert storage.snapshot("Counter", "one", 3) is None
    assert storage.snapshot("Counter", "one", None) == snapshot(5)
    storage.save_snapshot(snapshot(5, version=2))
    assert storage.snapshot("Counter", "one", None) == snapshot(5, version=2)
    assert storage.snapshot("Counter", "two", 1) is None
    storage.save_snapshot(snapshot(5, state='{"n":2}'))  # the same once more
    assert storage.snapshot("Counter", "one", 1) == snapshot(5, state='{"n":2}')
    assert storage.counts()["snapshots"] == 2


def test_archived_events_are_gone_and_their_numbers_stay_taken(storage: EventStorage) -> None:
    storage = live_of(storage)
    stored = storage.append([make_write(1, 2, 3), make_write(4, 5, aggregate="two")])
    segment = Segment(
        "1.seg", stored[0].global_sequence, stored[4].global_sequence, 4, 9, "ab" * 32
    )
    removed = [("Counter", "one", 2), ("Counter", "two", 2)]

    for _ in range(2):  # twice is once
        storage.archive(segment, removed)

        assert storage.read_all(0, ALL) == [stored[2]]
        assert storage.read_aggregate("Counter", "one", 0, ALL) == [stored[2]]
        assert storage.read_type("Counted", 0, ALL) == [stored[2]]
        assert storage.head("Counter", "two") == AggregateHead("Counter", "two", 2, 2)
        assert storage.segments() == (segment,)
        assert storage.last() == stored[4].global_sequence
        assert storage.counts()["events"] == 1
    new = storage.append([make_write(6, aggregate="two", expected=2)])
    assert new[0].sequence == 3
    assert new[0].global_sequence > stored[4].global_sequence
    earlier = segment._replace(name="0.seg", first=0, last=0)
    storage.archive(earlier, [])
    assert storage.segments() == (earlier, segment)


def test_events_that_moved_are_read_with_the_others(storage: EventStorage, tmp_path: Path) -> None:
    names = ("one", "two", "three")
    for number in range(1, 31):
        storage.append([make_write(number, aggregate=names[number % 3])])
    before = storage.read_all(0, ALL)
    for name, last in (("one", 9), ("three", 4)):
        storage.save_snapshot(SnapshotRecord("Counter", name, last, 1, 1, "{}"))
    live, files = live_of(storage), SegmentDirectory(tmp_path / "archive")
    now = 1_800_000_000_000_000

    made = Archiver(live, files, segment_events=5).run(before=now, now=now)

    assert sum(segment.events for segment in made) == 13
    assert live.counts()["events"] == 17
    assert live.segments() == tuple(made)
    archived = ArchivedStorage(live, files)
    assert archived.read_all(0, ALL) == before
    assert archived.read_type("Counted", 0, ALL) == before
    for name in names:
        own = [event for event in before if event.aggregate_id == name]
        assert archived.read_aggregate("Counter", name, 0, ALL) == own
    assert archived.append([make_write(3, aggregate="one")]) == [before[2]]
    assert Archiver(live, files).run(before=now, now=now) == []


def test_what_was_stored_is_there_when_the_storage_is_opened_again(home: Home) -> None:
    storage = home.open()
    storage.append([make_write(1, 2)], Progress("counting", Position(1, 0), "here"))
    storage.save_snapshot(SnapshotRecord("Counter", "one", 2, 1, 1, "{}"))
    before = everything(storage)
    storage.close()
    storage.close()

    again = home.open()

    assert everything(again) == before
    assert again.progress("counting") == Progress("counting", Position(1, 0), "here")
    assert again.snapshot("Counter", "one", 1) == SnapshotRecord("Counter", "one", 2, 1, 1, "{}")
    again.append([make_write(3, expected=2)])
    assert numbers(again.read_all(0, ALL)) == [1, 2, 3]
    again.close()


@pytest.mark.parametrize("each", [5, pytest.param(100, marks=pytest.mark.nightly)])
def test_sixteen_writers_of_one_aggregate_lose_nothing_while_it_is_followed(
    storage: EventStorage, each: int
) -> None:
    total = WRITERS * each
    conflicts: list[int] = []
    failures: list[BaseException] = []
    seen: list[Recorded] = []

    def append(number: int) -> None:
        """Count on from the newest event, and look again if somebody was faster."""
        last = 0  # all writers begin as if they were the first
        while True:
            event = make_event(number, count=last + 1)
            try:
                storage.append([Write("Counter", "one", last or NO_STREAM, (event,))])
            except ConcurrencyConflict as conflict:
                conflicts.append(conflict.actual - last)
                last = conflict.actual
            else:
                return

    def write(writer: int) -> None:
        try:
            for number in range(each):
                append(writer * each + number)
                storage.append([make_write(total + writer * each + number, aggregate=f"{writer}")])
        except BaseException as error:
            failures.append(error)

    def follow() -> bool:
        seen.extend(storage.read_all(seen[-1].global_sequence if seen else 0, 7))
        return len(seen) == 2 * total or bool(failures)

    writers = [threading.Thread(target=write, args=(n,)) for n in range(WRITERS)]
    for writer in writers:
        writer.start()
    eventually(follow, timeout=120, message="the follower has seen every event")
    for writer in writers:
        writer.join(60)

    assert not failures
    assert seen == storage.read_all(0, ALL)  # nothing appeared behind the follower
    events = storage.read_aggregate("Counter", "one", 0, ALL)
    assert [event.sequence for event in events] == list(range(1, total + 1))
    assert [json.loads(event.data)["count"] for event in events] == list(range(1, total + 1))
    assert len({event.event_id for event in events}) == total
    assert len(conflicts) >= WRITERS - 1
    assert min(conflicts) > 0


@pytest.mark.parametrize("kills", [2, pytest.param(40, marks=pytest.mark.nightly)])
@pytest.mark.parametrize("make_home", DURABLE_HOMES)
def test_a_writer_that_is_killed_leaves_whole_appends(
    request: pytest.FixtureRequest, make_home: Callable[..., DurableHome], kills: int
) -> None:
    home = make_home(request)
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    told = 0
    for _ in range(kills):
        told = kill_after(home, chance.randint(1, 8), chance.uniform(0, 0.02)) or told

        storage = home.open()
        found = storage.progress("counting")
        assert found is not None
        number = found.position.ordinal
        assert told <= number <= told + 1
        events = storage.read_aggregate("Counter", "one", 0, ALL)
        assert numbers(events) == list(range(1, 2 * number + 1))
        assert [event.sequence for event in events] == numbers(events)
        assert storage.read_all(0, ALL) == events
        storage.close()


def kill_after(home: DurableHome, appends: int, delay_s: float) -> int:
    """Run the writer, kill it so long after so many appends, and return the last one it told."""
    told: list[int] = []
    settings = json.dumps(home.settings)
    command = [sys.executable, "-m", "tests.contract.event_storage_writer", settings]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        for line in writer.stdout:
            told.append(int(line))
            if len(told) == appends:
                break
        killer = threading.Timer(delay_s, writer.kill)
        killer.start()
        told += [int(line) for line in writer.stdout if line.endswith("\n")]
        assert writer.wait(30) == -signal.SIGKILL
        killer.join()
    return told[-1]
