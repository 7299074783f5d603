"""Blocks of events in SQLite: whatever is appended, archived and read, no reader sees them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

from bridge.eventsourcing import ANY, EventIdTaken, MemoryStorage
from bridge.eventsourcing.records import NewEvent, Recorded, Segment, Write
from bridge.eventsourcing.storage import EventStorage
from bridge.runtime.eventstores import sqlite_blocks
from bridge.runtime.eventstores.sqlite import SqliteStorage
from bridge.runtime.eventstores.sqlite_blocks import MAX_CHARACTERS, divide

AGGREGATES = [("Account", str(number)) for number in range(3)]


class Pair:
    """Two storages that get the same calls, and have to answer alike."""

    def __init__(self, chance: random.Random, storages: tuple[EventStorage, EventStorage]) -> None:
        self._chance = chance
        self._storages = storages
        self._written: list[Write] = []

    def append(self) -> None:
        writes = [self._write() for _ in range(self._chance.randint(1, 3))]
        if self._written and self._chance.random() < 0.3:
            writes.insert(self._chance.randrange(len(writes)), self._chance.choice(self._written))
        first, second = (_appended(storage, writes) for storage in self._storages)
        assert first == second
        self._written += writes

    def _write(self) -> Write:
        events = [self._event() for _ in range(self._chance.randint(1, 12))]
        return Write(*self._chance.choice(AGGREGATES), ANY, tuple(events))

    def _event(self) -> NewEvent:
        event_id = str(UUID(int=self._chance.getrandbits(128)))
        return NewEvent(event_id, self._chance.choice("XYZ"), 1, 1, '{"n":1}', "{}")

    def archive(self, name: str) -> None:
        removed = {}
        for key in AGGREGATES:
            head = self._storages[0].head(*key)
            if head is not None and self._chance.random() < 0.6:
                removed[key] = self._chance.randint(max(1, head.archived), head.last_sequence)
        gone = [e for e in self._storages[0].read_all(0, 10_000) if _is_in(e, removed)]
        if not gone:
            return
        places = [event.global_sequence for event in gone]
        segment = Segment(name, places[0], places[-1], len(gone), 9, "ab" * 32)
        for storage in self._storages:
            for _ in range(self._chance.randint(1, 2)):
                storage.archive(segment, [(*key, up_to) for key, up_to in removed.items()])
        ids = {event.event_id for event in gone}
        self._written = [w for w in self._written if ids.isdisjoint(e.event_id for e in w.events)]

    def compare(self) -> None:
        after = self._chance.randint(0, self._storages[0].last() + 1)
        limit = self._chance.choice([1, 2, 5, 1000])
        key, event_type = self._chance.choice(AGGREGATES), self._chance.choice("XYZW")
        first, second = (
            (
                storage.read_all(after, limit),
                storage.read_type(event_type, after, limit),
                storage.read_aggregate(*key, after, limit),
                storage.aggregates(None, 10),
                storage.last(),
                storage.counts(),
            )
            for storage in self._storages
        )
        assert first == second


def _appended(storage: EventStorage, writes: list[Write]) -> list[Recorded] | str:
    try:
        return storage.append(writes)
    except EventIdTaken as error:
        return error.message


def _is_in(event: Recorded, removed: dict[tuple[str, str], int]) -> bool:
    return event.sequence <= removed.get((event.aggregate_type, event.aggregate_id), 0)


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[SqliteStorage]:
    storage = SqliteStorage(tmp_path / "events.db")
    yield storage
    storage.close()


@pytest.mark.parametrize("seed", range(8))
def test_the_answers_are_those_of_a_storage_without_blocks(
    storage: SqliteStorage, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    chance = random.Random(seed)
    monkeypatch.setattr(sqlite_blocks, "MAX_EVENTS", chance.choice([1, 3, 7]))
    pair = Pair(chance, (MemoryStorage("ab"), storage))

    for step in range(20):
        if chance.random() < 0.7:
            pair.append()
        else:
            pair.archive(f"{step}.seg")
        for _ in range(5):
            pair.compare()


@pytest.mark.parametrize(
    ("sizes", "blocks"),
    [
        ([1], [1]),
        ([10] * 300, [128, 128, 44]),
        ([MAX_CHARACTERS, 1, MAX_CHARACTERS - 1, 1], [1, 2, 1]),
        ([3 * MAX_CHARACTERS, 3 * MAX_CHARACTERS], [1, 1]),
    ],
)
def test_a_block_holds_so_many_events_and_so_much_text(sizes: list[int], blocks: list[int]) -> None:
    event_id = str(UUID(int=1))
    events = [NewEvent(event_id, "Grown", 1, 1, "x" * (size - 1), "m") for size in sizes]

    divided = list(divide(events))

    assert list(map(len, divided)) == blocks
    assert [event for block in divided for event in block] == events
