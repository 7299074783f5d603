"""Stores of which a part is archived, for the tests."""

from __future__ import annotations

import random
from contextlib import nullcontext
from uuid import UUID

from bridge.core.errors import EnvironmentProblem
from bridge.eventsourcing.archive.archiver import Archiver
from bridge.eventsourcing.archive.files import SegmentFiles
from bridge.eventsourcing.expected_version import ANY
from bridge.eventsourcing.memory import MemoryStorage
from bridge.eventsourcing.records import NewEvent, Recorded, SnapshotRecord, Write
from bridge.eventsourcing.storage import EventStorage

DAY = 86_400_000_000
NOW = 1_700_000_000_000_000
TYPES = ("Opened", "Deposited", "Gr\u00fc\u00dfe\U0001f600")


class MemoryFiles:
    """Segment files in memory."""

    def __init__(self) -> None:
        self.contents: dict[str, bytes] = {}

    def read(self, name: str, offset: int, length: int) -> bytes:
        if name not in self.contents:
            raise EnvironmentProblem(f"{name} is missing.")
        return self.contents[name][offset : offset + length]

    def write(self, name: str, data: bytes) -> None:
        self.contents[name] = data

    def names(self) -> list[str]:
        return sorted(self.contents)

    def exclusive(self, identity: str) -> nullcontext[None]:
        return nullcontext()


def new_event(number: int, *, age: int = 100 * DAY, event_type: str = "Deposited") -> NewEvent:
    """Return an event that tells its number; ``age`` is that before ``NOW``, in microseconds."""
    event_id = str(UUID(int=number, version=4))
    data = f'{{"n":{number},"text":"caf\u00e9 \\ud800"}}'
    return NewEvent(event_id, event_type, 1, NOW - age, data, "{}")


def append(storage: EventStorage, aggregate_id: str, *events: NewEvent) -> list[Recorded]:
    """Append events to an account."""
    return storage.append([Write("Account", aggregate_id, ANY, events)])


def snapshot(storage: EventStorage, aggregate_id: str, last: int, version: int = 1) -> None:
    """Keep a state that contains the events up to ``last``."""
    state = '{"state":0,"fold":null}'
    storage.save_snapshot(SnapshotRecord("Account", aggregate_id, last, version, NOW, state))


def fill(storage: EventStorage, chance: random.Random, events: int, *, first: int = 1) -> None:
    """Append events of some accounts in random order, the older ones first."""
    for number in range(first, first + events):
        age = (100 + first + events - number) * DAY
        kind = chance.choice(TYPES)
        append(storage, f"a{chance.randrange(6)}", new_event(number, age=age, event_type=kind))


def archive(storage: EventStorage, files: SegmentFiles, **limits: int) -> int:
    """Move every event older than 30 days that a snapshot contains; return how many moved."""
    made = Archiver(storage, files, **limits).run(before=NOW - 30 * DAY, now=NOW)
    return sum(segment.events for segment in made)


def memory_storage() -> MemoryStorage:
    """Return an empty storage."""
    return MemoryStorage("0123456789abcdef")
