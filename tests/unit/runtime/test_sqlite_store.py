"""The processing state in SQLite: what is wrong with the file is named, nothing is half done."""

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from bridge.core.errors import EnvironmentProblem
from bridge.runtime.processing.sqlite_store import FILE_NAME, SqliteStateStore
from bridge.runtime.state import StateStore as BridgeState
from tests.contract.state_stores import make_checkpoint, make_result, make_results


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStateStore]:
    with closing(SqliteStateStore(tmp_path, "orders")) as store:
        store.commit(make_checkpoint(1), make_results(1))
        yield store


def assert_unchanged(store: SqliteStateStore) -> None:
    assert store.load() == make_checkpoint(1)
    assert store.results("out", 0, 100) == [(1, make_result(1)), (2, make_result(2))]


def change(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path / FILE_NAME)) as connection, connection:
        connection.execute(statement)


def test_it_lies_beside_the_bridges_own_state(tmp_path: Path) -> None:
    with BridgeState(tmp_path), closing(SqliteStateStore(tmp_path, "orders")) as store:
        store.commit(make_checkpoint(1), make_results(1))
        assert_unchanged(store)


def test_the_files_are_for_their_owner_only(store: SqliteStateStore, tmp_path: Path) -> None:
    assert [file.name for file in tmp_path.iterdir() if file.stat().st_mode & 0o077] == []


def test_a_full_disk_is_named_and_the_old_checkpoint_stays(store: SqliteStateStore) -> None:
    with store._file.reading() as connection:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages}")
    large = replace(make_checkpoint(2), states={"large": random.Random(1).randbytes(1_000_000)})

    with pytest.raises(EnvironmentProblem, match=r"processing\.db cannot grow: the disk is full"):
        store.commit(large, make_results(2))

    assert_unchanged(store)


def test_a_file_that_became_read_only_is_named(store: SqliteStateStore) -> None:
    with store._file.reading() as connection:
        connection.execute("PRAGMA query_only = on")

    with pytest.raises(EnvironmentProblem, match=r"cannot be written\. Check its owner"):
        store.commit(make_checkpoint(2), make_results(2))

    assert_unchanged(store)


def test_a_directory_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentProblem, match="cannot be used: No such file"):
        SqliteStateStore(tmp_path / "none", "orders")


def test_a_file_that_is_not_sqlite_is_named(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"no database " * 1000)

    with pytest.raises(EnvironmentProblem, match=r"is damaged.*move it away: started with"):
        SqliteStateStore(tmp_path, "orders")


def test_damage_in_the_middle_of_a_state_is_named(tmp_path: Path) -> None:
    state = random.Random(2).randbytes(400_000)
    with closing(SqliteStateStore(tmp_path, "orders")) as store:
        store.commit(replace(make_checkpoint(1), states={"a": state}), make_results(1))
    data = bytearray((tmp_path / FILE_NAME).read_bytes())
    data[len(data) // 2 + 100] ^= 1  # within a page; SQLite itself has no checksums
    (tmp_path / FILE_NAME).write_bytes(data)

    with (
        closing(SqliteStateStore(tmp_path, "orders")) as store,
        pytest.raises(EnvironmentProblem, match="State 'a' is damaged: its checksum is wrong"),
    ):
        store.load()


def test_a_part_of_a_state_that_is_missing_is_named(tmp_path: Path) -> None:
    state = random.Random(3).randbytes(9_000_000)
    with closing(SqliteStateStore(tmp_path, "orders")) as store:
        store.commit(replace(make_checkpoint(1), states={"a": state, "b": 1}), make_results(1))
        change(tmp_path, "DELETE FROM state WHERE name = 'a' AND part = 1")

        with pytest.raises(EnvironmentProblem, match="State 'a' is damaged"):
            store.load()
        found = store.load(["b"])

    assert found is not None
    assert found.states == {"b": 1}  # damage of one is no damage of another


def test_a_position_that_makes_no_sense_is_named(store: SqliteStateStore, tmp_path: Path) -> None:
    change(tmp_path, "UPDATE store SET position = 'garbage'")

    with pytest.raises(EnvironmentProblem, match="stored position of stream processing is damaged"):
        store.load()


def test_a_state_that_is_removed_while_in_use_is_not_written_again(
    store: SqliteStateStore, tmp_path: Path
) -> None:
    change(tmp_path, "DELETE FROM store")

    with pytest.raises(EnvironmentProblem, match=r"was removed from .* while it was in use"):
        store.commit(make_checkpoint(2), make_results(2))


def test_a_layout_from_the_future_is_refused(tmp_path: Path) -> None:
    SqliteStateStore(tmp_path, "orders").close()
    change(tmp_path, "PRAGMA user_version = 999")

    with pytest.raises(EnvironmentProblem, match="newer pgbridge"):
        SqliteStateStore(tmp_path, "orders")


def test_a_file_locked_by_another_program_is_named(store: SqliteStateStore, tmp_path: Path) -> None:
    with store._file.reading() as connection:
        connection.execute("PRAGMA busy_timeout = 10")
    with closing(sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(EnvironmentProblem, match="locked by another program"):
            store.commit(make_checkpoint(2), make_results(2))

    assert_unchanged(store)
