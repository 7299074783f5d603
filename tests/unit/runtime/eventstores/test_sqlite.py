"""What the file of events refuses by itself, whoever writes to it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from bridge.core.errors import EnvironmentProblem, Transient
from bridge.core.events import Position
from bridge.eventsourcing.records import Progress, Segment
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
        "UPDATE event SET data = '{}'",
        "UPDATE event SET sequence = 7 WHERE sequence = 2",
        "DELETE FROM event",
        "DELETE FROM event WHERE sequence = 2",
        "INSERT OR REPLACE INTO event SELECT * FROM event",
        "INSERT OR REPLACE INTO event SELECT 9, aggregate, 9, event_id, event_type, version,"
        " timestamp, '{}', metadata FROM event LIMIT 1",
        "INSERT OR REPLACE INTO event SELECT 9, aggregate, sequence, 'x', event_type, version,"
        " timestamp, '{}', metadata FROM event LIMIT 1",
        "INSERT OR IGNORE INTO event SELECT 9, aggregate, 9, 'x', event_type, version,"
        " timestamp, '{}', metadata FROM event LIMIT 1",
        "INSERT INTO event SELECT 9, aggregate, 9, 'x', event_type, version, timestamp, '{}',"
        " metadata FROM event LIMIT 1",
        "UPDATE OR REPLACE event SET global_sequence = 1 WHERE global_sequence = 2",
        "UPDATE aggregate SET last_sequence = 1",
        "UPDATE aggregate SET archived = 3",
        "UPDATE aggregate SET aggregate_id = 'other'",
        "DELETE FROM aggregate",
    ],
)
def test_events_are_never_changed(storage: SqliteStorage, path: Path, statement: str) -> None:
    stored = storage.append([make_write(1, 2)])

    with sqlite3.connect(path) as connection, pytest.raises(sqlite3.IntegrityError):
        connection.execute(statement)
    connection.close()

    assert storage.read_all(0, 10) == stored
    storage.close()


def test_only_what_is_archived_may_be_removed(storage: SqliteStorage, path: Path) -> None:
    storage.append([make_write(1, 2, 3)])
    storage.archive(Segment("1.seg", 1, 2, 2, 9, "ab" * 32), [("Counter", "one", 2)])

    with sqlite3.connect(path) as connection, pytest.raises(sqlite3.IntegrityError):
        connection.execute("DELETE FROM event")
    connection.close()
    storage.close()


def test_large_appends_are_stored_in_several_statements(storage: SqliteStorage) -> None:
    for first, count in ((1, 24), (25, 25), (50, 26), (76, 1), (77, 101)):
        stored = storage.append([make_write(*range(first, first + count))])

        assert [event.sequence for event in stored] == list(range(first, first + count))
        assert storage.read_all(first - 1, 1000) == stored
    assert storage.last() == 177
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


def test_a_path_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(EnvironmentProblem, match="file"):
        SqliteStorage(tmp_path / "file" / "events.db")
