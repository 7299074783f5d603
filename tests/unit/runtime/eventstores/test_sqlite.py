"""What the file of events refuses by itself, whoever writes to it."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

import pytest

from bridge.core.errors import EnvironmentProblem, Transient
from bridge.core.events import Position
from bridge.eventsourcing.archive.consistency import faults_in_store
from bridge.eventsourcing.records import Progress, Recorded, Segment
from bridge.runtime.eventstores.sqlite import SqliteStorage
from tests.contract.event_storages import make_write


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.db"


@pytest.fixture
def storage(path: Path) -> SqliteStorage:
    return SqliteStorage(path)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE block SET body = '[]'",
        "UPDATE block SET first_sequence = 7 WHERE first_sequence = 3",
        "UPDATE OR REPLACE block SET first = 1 WHERE first = 3",
        "DELETE FROM block",
        "DELETE FROM block WHERE first = 3",
        "INSERT OR REPLACE INTO block SELECT * FROM block",
        "INSERT OR REPLACE INTO block SELECT first, aggregate, 9, events, '[]' FROM block LIMIT 1",
        "INSERT OR REPLACE INTO block SELECT 4, aggregate, first_sequence, 1, '[]' FROM block",
        "INSERT OR REPLACE INTO block (aggregate, first_sequence, events, body)"
        " VALUES (1, 1, 1, '[]')",
        "INSERT OR IGNORE INTO block SELECT 4, aggregate, 9, 1, '[]' FROM block LIMIT 1",
        "INSERT OR IGNORE INTO block SELECT 2, aggregate, 4, 1, '[]' FROM block LIMIT 1",
        "INSERT INTO block SELECT 9, aggregate, 4, 1, '[]' FROM block LIMIT 1",
        "INSERT INTO block SELECT 4, 7, 1, 1, '[]' FROM block LIMIT 1",
        "UPDATE identified SET global_sequence = 3 WHERE global_sequence = 1",
        "UPDATE OR REPLACE identified SET event_id = (SELECT max(event_id) FROM identified)",
        "DELETE FROM identified WHERE global_sequence = 3",
        "UPDATE typed SET first = 3",
        "DELETE FROM typed",
        "UPDATE aggregate SET archived = 4",
        "UPDATE aggregate SET aggregate_id = 'other'",
        "DELETE FROM aggregate",
    ],
)
def test_events_are_never_changed(storage: SqliteStorage, path: Path, statement: str) -> None:
    stored = storage.append([make_write(1, 2), make_write(3)])

    with sqlite3.connect(path) as connection, pytest.raises(sqlite3.IntegrityError):
        connection.execute(statement)
    connection.close()

    assert storage.read_all(0, 10) == stored
    storage.close()


@pytest.mark.parametrize("table", ["block", "identified", "typed"])
def test_only_what_is_archived_may_be_removed(
    storage: SqliteStorage, path: Path, table: str
) -> None:
    storage.append([make_write(1, 2, 3)])
    storage.archive(Segment("1.seg", 1, 2, 2, 9, "ab" * 32), [("Counter", "one", 2)])

    with sqlite3.connect(path) as connection, pytest.raises(sqlite3.IntegrityError):
        connection.execute(f"DELETE FROM {table}")
    connection.close()
    storage.close()


def test_a_block_goes_when_all_of_it_is_archived(storage: SqliteStorage, path: Path) -> None:
    stored = storage.append([make_write(1, 2, 3)])
    for up_to in (1, 2, 3):
        storage.archive(
            Segment(f"{up_to}.seg", up_to, up_to, 1, 9, "ab" * 32), [("Counter", "one", up_to)]
        )

        assert storage.read_all(0, 10) == stored[up_to:]
        assert storage.read_aggregate("Counter", "one", 0, 10) == stored[up_to:]
        assert storage.read_type(stored[0].event_type, 0, 10) == stored[up_to:]
        assert storage.counts()["events"] == 3 - up_to
        assert storage.last() == 3
    with sqlite3.connect(path) as connection:
        for table in ("block", "identified", "typed", "event"):
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)
    connection.close()
    [following] = storage.append([make_write(4, expected=3)])
    assert (following.global_sequence, following.sequence) == (4, 4)
    storage.close()


def test_every_shell_shows_the_events(storage: SqliteStorage, path: Path) -> None:
    stored = storage.append([make_write(*range(1, 200)), make_write(200)])
    storage.archive(Segment("1.seg", 1, 2, 2, 9, "ab" * 32), [("Counter", "one", 2)])

    with sqlite3.connect(path) as connection:
        rows = connection.execute("SELECT * FROM event ORDER BY global_sequence").fetchall()
    connection.close()

    assert [Recorded(*row) for row in rows] == stored[2:]
    storage.close()


def test_large_appends_are_stored_in_several_blocks(storage: SqliteStorage, path: Path) -> None:
    for first, count in ((1, 127), (128, 128), (256, 129), (385, 1), (386, 515)):
        stored = storage.append([make_write(*range(first, first + count))])

        assert [event.sequence for event in stored] == list(range(first, first + count))
        assert storage.read_all(first - 1, 1000) == stored
        assert storage.read_aggregate("Counter", "one", first + count - 2, 9) == stored[-1:]
        assert storage.read_type(stored[0].event_type, first - 1, 7) == stored[:7]
    assert storage.last() == 900
    with sqlite3.connect(path) as connection:
        [sizes] = zip(*connection.execute("SELECT events FROM block ORDER BY first"), strict=True)
    connection.close()
    assert sizes == (127, 128, 128, 1, 1, 128, 128, 128, 128, 3)
    storage.close()


def test_events_of_an_append_may_be_of_several_types(storage: SqliteStorage) -> None:
    write = make_write(*range(1, 201))
    events = [e._replace(event_type=f"T{n % 3}") for n, e in enumerate(write.events)]
    stored = storage.append([write._replace(events=tuple(events))])

    for number in range(3):
        own = stored[number::3]
        assert storage.read_type(f"T{number}", 0, 1000) == own
        assert storage.read_type(f"T{number}", own[40].global_sequence, 5) == own[41:46]
    storage.close()


def test_two_programs_append_to_one_file(storage: SqliteStorage, path: Path) -> None:
    other = SqliteStorage(path)

    storage.append([make_write(1)])
    other.append([make_write(2, expected=1)])
    storage.append([make_write(3, expected=2)])

    assert other.identity == storage.identity
    assert [event.sequence for event in other.read_all(0, 10)] == [1, 2, 3]
    other.close()
    storage.close()


def test_a_file_that_another_program_has_locked_is_away(storage: SqliteStorage, path: Path) -> None:
    first = storage.append([make_write(1)])
    with storage._file.reading() as connection:
        connection.execute("PRAGMA busy_timeout = 10")
    other = sqlite3.connect(path)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Transient, match=r"events\.db has been locked by another program"):
        storage.append([make_write(2)])
    assert storage.read_all(0, 10) == first
    other.close()
    assert len(storage.append([make_write(2)])) == 1
    storage.close()


def test_a_file_that_is_damaged_is_named(storage: SqliteStorage, path: Path) -> None:
    storage.append([make_write(1)], Progress("accounts", Position(1, 1), "here"))
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE progress SET position = 'somewhere'")
    connection.close()

    with pytest.raises(EnvironmentProblem, match=r"events\.db .*projection accounts"):
        storage.progress("accounts")
    storage.close()

    path.write_bytes(b"no database" * 1000)
    with pytest.raises(EnvironmentProblem, match=r"events\.db is damaged"):
        SqliteStorage(path)


def test_each_block_that_is_damaged_is_named(storage: SqliteStorage, path: Path) -> None:
    for number, aggregate in enumerate(("a", "b", "c")):
        storage.append([make_write(2 * number, 2 * number + 1, aggregate=aggregate)])
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TRIGGER block_is_never_changed")
        connection.execute("UPDATE block SET body = substr(body, 2) WHERE first <> 3")
    connection.close()

    with pytest.raises(EnvironmentProblem, match="block of Counter events from global sequence 1"):
        storage.read_all(0, 10)
    assert [
        (fault.where, re.findall(r"sequence (\d)", fault.problem))
        for fault in faults_in_store(storage, None, lambda _: None)
    ] == [("Counter a", ["1"]), ("Counter c", ["5"])]
    storage.close()


def test_a_path_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(EnvironmentProblem, match="file"):
        SqliteStorage(tmp_path / "file" / "events.db")
