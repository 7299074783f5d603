"""Parked events are on the disk when ``park`` returns, and come back as they were."""

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.core.errors import EnvironmentProblem
from bridge.core.events import (
    ABSENT,
    CdcEvent,
    Operation,
    PartialRow,
    Position,
    Source,
    Transaction,
    TruncateEvent,
)
from bridge.runtime.dead_letters import DeadLetterStore
from bridge.runtime.state_file import FILE_NAME, StateFile
from sinks.formats.native import encode_native
from tests.fixtures.events import make_event, make_relation
from tests.fixtures.results import OTHER_STORE, make_result

NOW = 1_700_000_000.5


@pytest.fixture
def file(tmp_path: Path) -> Iterator[StateFile]:
    file = StateFile(tmp_path)
    yield file
    file.close()


@pytest.fixture
def letters(file: StateFile) -> DeadLetterStore:
    return DeadLetterStore(file)


def park(
    letters: DeadLetterStore, event: CdcEvent, sink: str = "kafka", reason: str = "too large"
) -> None:
    letters.park(sink, event, encode_native(event).encode(), reason, 3, NOW)


def test_a_parked_event_is_listed_without_its_values(letters: DeadLetterStore) -> None:
    event = make_event(0x16_B374D848, 2, row=("1", "canary"))
    park(letters, event)
    [letter] = letters.list()
    assert letters.get(letter.id) == letter
    assert (letter.sink, letter.reason, letter.attempts) == ("kafka", "too large", 3)
    assert letter.event_id == event.event_id
    assert letter.position == Position(0x16_B374D848, 2)
    assert (letter.schema, letter.table, letter.operation) == ("public", "users", "Insert")
    assert (letter.parked_at, letter.replayed_at) == (1_700_000_000_500_000, None)
    assert "canary" not in repr(letter)
    assert letter.size_bytes == len(encode_native(event))


def test_the_event_comes_back_as_it_was(letters: DeadLetterStore) -> None:
    relation = make_relation({"id": "int8", "doc": "json", "note": "text"}, key=["id"])
    row = PartialRow(("1", '"\\u0000 \ud800"', ABSENT))
    event = CdcEvent(
        Transaction(Source("7", "shop"), 5, 0x10, 99), 1, 8, Operation.UPDATE, relation, row, None
    )
    letters.park("kafka", event, b'"\\u0000"\x00', "why\ud800", 1, NOW)
    [letter] = letters.list()
    found = letters.event(letter.id)
    assert found.new == row
    assert found.unchanged == ("note",)
    assert found.event_id == event.event_id
    assert letters.native_json(letter.id) == b'"\\u0000"\x00'
    assert letter.reason == "why\\ud800"


def test_a_truncate_keeps_its_options(letters: DeadLetterStore) -> None:
    transaction = Transaction(Source("7", "shop"), 5, 0x10, 99)
    park(letters, TruncateEvent.of(transaction, 0, 8, make_relation({"id": "int8"}), ("CASCADE",)))
    found = letters.event(letters.list()[0].id)
    assert isinstance(found, TruncateEvent)
    assert found.options == ("CASCADE",)


def test_entries_come_in_the_order_of_their_positions(letters: DeadLetterStore) -> None:
    at = [(0xFFFFFFFF_00000000, 0), (0x1_00000000, 5), (0x9, 1), (0x10, -1), (0x9, 0), (0x10, 0)]
    for lsn, ordinal in at:
        park(letters, make_event(lsn, ordinal))
    assert [letter.position for letter in letters.list()] == sorted(at)
    assert [letter.position for letter in letters.list(limit=2)] == sorted(at)[:2]


def test_more_entries_than_a_page_are_all_found(letters: DeadLetterStore, file: StateFile) -> None:
    park(letters, make_event(0x10, 0))
    with file.transaction() as connection:
        connection.executemany(
            "INSERT INTO dead_letter (sink, event_id, commit_lsn, ordinal, operation, reason,"
            " attempts, parked_at, native, portable)"
            " SELECT sink, ?, commit_lsn, ?, operation, reason, attempts, parked_at, native,"
            " portable FROM dead_letter WHERE ordinal = 0",
            [(f"e{i}", i) for i in range(1, 1201)],
        )
    assert [letter.position.ordinal for letter in letters.list()] == list(range(1201))
    pages = letters.waiting("kafka")
    seen = []
    for page in pages:
        for letter in page:
            letters.replayed(letter.id, NOW)
            seen.append(letter.position.ordinal)
    assert seen == list(range(1201))
    assert letters.count() == {}


def test_an_event_that_comes_again_has_one_entry_for_each_sink(letters: DeadLetterStore) -> None:
    event = make_event()
    park(letters, event, reason="first")
    park(letters, event, sink="other")
    letters.replayed(letters.list("kafka")[0].id, NOW)
    park(letters, event, reason="second")
    assert [(letter.sink, letter.reason) for letter in letters.list()] == [
        ("kafka", "second"),
        ("other", "too large"),
    ]
    assert letters.count() == {"kafka": 1, "other": 1}


def test_a_replayed_entry_waits_no_more(letters: DeadLetterStore) -> None:
    park(letters, make_event(0x10))
    park(letters, make_event(0x20))
    first, second = letters.list()
    letters.replayed(first.id, NOW + 1)
    assert letters.list() == [second]
    assert letters.count() == {"kafka": 1}
    [found, _] = letters.list(with_replayed=True)
    assert found.replayed_at == 1_700_000_001_500_000


def test_purging_takes_only_what_was_replayed_unless_told(letters: DeadLetterStore) -> None:
    for lsn in (0x10, 0x20, 0x30):
        park(letters, make_event(lsn))
    park(letters, make_event(0x10), sink="other")
    first, *_ = letters.list("kafka")
    letters.replayed(first.id, NOW)
    assert letters.purge("kafka", before=NOW) == 0
    assert letters.purge("kafka") == 1
    assert letters.purge(letter_id=letters.list("kafka")[0].id) == 0
    assert letters.purge("kafka", with_waiting=True) == 2
    assert [letter.sink for letter in letters.list()] == ["other"]


def test_a_full_disk_means_not_parked(letters: DeadLetterStore, file: StateFile) -> None:
    with file.reading() as connection:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(EnvironmentProblem, match="the disk is full"):
        letters.park("kafka", make_event(), b"x" * 1_000_000, "too large", 1, NOW)
    assert letters.list() == []


def test_a_damaged_entry_is_named(letters: DeadLetterStore, file: StateFile) -> None:
    park(letters, make_event())
    with file.transaction() as connection:
        connection.execute("UPDATE dead_letter SET portable = 'x'")
    [letter] = letters.list()
    with pytest.raises(EnvironmentProblem, match=f"dlq show {letter.id}"):
        letters.event(letter.id)


def test_other_programs_can_read_the_file(letters: DeadLetterStore, tmp_path: Path) -> None:
    park(letters, make_event(row=("1", "Ada")))
    connection = sqlite3.connect(tmp_path / FILE_NAME)
    (native,) = connection.execute("SELECT native FROM dead_letter").fetchone()
    connection.close()
    assert json.loads(native)["new_values"] == {"id": 1, "name": "Ada"}


def test_a_result_that_comes_again_from_a_new_store_has_the_place_that_it_has_there(
    letters: DeadLetterStore,
) -> None:
    park(letters, make_result(5))
    park(letters, make_result(2, source=OTHER_STORE, minute=5))
    [letter] = letters.list()
    event = letters.event(letter.id)
    assert letter.position == event.position == Position(2, 0)
    assert event.transaction.source == OTHER_STORE
