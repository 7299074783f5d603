"""Replaying with sinks that refuse, fail, or do not answer."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bridge.core.errors import Transient
from bridge.core.events import CdcEvent, EventBatch, Position
from bridge.core.selection import Columns, Filter, Selection, Shape
from bridge.core.table_patterns import TablePattern
from bridge.runtime.dead_letters import DeadLetterStore
from bridge.runtime.replay import Replay
from bridge.runtime.state_file import StateFile
from sinks.base import Feed, Progress, Rejection
from tests.fixtures.events import OTHER_SOURCE, SOURCE, make_event


class MoodySink:
    """Refuses some positions, and confirms up to another."""

    def __init__(self, refuse: set[int] | None = None, confirm: int = 2**62) -> None:
        self.refuse = refuse or set()
        self.confirm = Position(confirm, 0)
        self.calls: list[object] = []
        self._batch: list[CdcEvent] = []

    def open(self, feed: Feed) -> Position | None:
        self.calls.append(feed.source.database)
        return None

    def write(self, batch: EventBatch) -> None:
        self._batch = batch.events
        self.calls.append([event.position.commit_lsn for event in batch.events])

    def poll(self) -> Progress:
        raise AssertionError("flush is enough")

    def flush(self, timeout: float) -> Progress:
        rejections = tuple(
            Rejection(event.position, "still too large")
            for event in self._batch
            if event.position.commit_lsn in self.refuse
        )
        return Progress(min(self.confirm, self._batch[-1].position), rejections)

    def close(self) -> None:
        self.calls.append("closed")


@pytest.fixture
def letters(tmp_path: Path) -> Iterator[DeadLetterStore]:
    file = StateFile(tmp_path)
    store = DeadLetterStore(file)
    for lsn in (0x10, 0x20, 0x30):
        store.park("s", make_event(lsn), b"{}", "too large", 1, 1.0)
    yield store
    file.close()


def replay(sink: MoodySink, letters: DeadLetterStore) -> Replay:
    return Replay(name="s", slot="bridge", sink=sink, letters=letters, flush_s=1, clock=lambda: 2.0)


def waiting(letters: DeadLetterStore) -> list[tuple[int, str, int]]:
    return [(each.position.commit_lsn, each.reason, each.attempts) for each in letters.list("s")]


def test_what_is_refused_again_waits_with_the_new_reason(letters: DeadLetterStore) -> None:
    done = replay(MoodySink(refuse={0x20}), letters).run()
    assert (done.accepted, done.refused) == (2, 1)
    assert waiting(letters) == [(0x20, "still too large", 2)]


def test_what_is_not_confirmed_is_not_marked(letters: DeadLetterStore) -> None:
    sink = MoodySink(confirm=0x10)
    with pytest.raises(Transient, match="did not confirm within 1 seconds"):
        replay(sink, letters).run()
    assert [lsn for lsn, _, _ in waiting(letters)] == [0x20, 0x30]
    assert sink.calls[-1] == "closed"


def test_each_source_is_opened_by_itself(letters: DeadLetterStore) -> None:
    letters.park("s", make_event(0x18, source=OTHER_SOURCE), b"{}", "x", 1, 1.0)
    sink = MoodySink()
    replay(sink, letters).run()
    assert sink.calls == [
        SOURCE.database, [0x10], "closed",
        OTHER_SOURCE.database, [0x18], "closed",
        SOURCE.database, [0x20, 0x30], "closed",
    ]  # fmt: skip


def test_large_events_are_not_held_in_memory_together(letters: DeadLetterStore) -> None:
    for lsn in (0x40, 0x50):
        letters.park("s", make_event(lsn), b"x" * 5_000_000, "too large", 1, 1.0)
    sink = MoodySink()
    steps: list[int] = []
    replay(sink, letters).run(advance=steps.append)
    assert sink.calls[1:-1] == [[0x10, 0x20, 0x30, 0x40], [0x50]]
    assert steps == [4, 1]


def test_the_selection_of_the_sink_is_applied_to_what_was_parked(
    letters: DeadLetterStore,
) -> None:
    users = TablePattern.parse("public.users", setting="columns")
    sink = MoodySink()
    again = replace(
        replay(sink, letters),
        selection=Selection(
            Filter(conditions=[lambda event: event.commit_lsn != 0x20]),
            Shape([Columns(tables=users, names=frozenset({"id"}))]),
        ),
    )
    done = again.run()
    assert (done.accepted, done.refused, done.left_out) == (2, 0, 1)
    assert [event.new_values for event in sink._batch] == [{"id": 0}, {"id": 0}]
    assert [lsn for lsn, _, _ in waiting(letters)] == [0x20]
    assert (again.run().left_out, sink.calls[-2:]) == (1, ["shop", "closed"])
