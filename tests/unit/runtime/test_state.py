"""The checkpoint on disk: what is saved is found again, and what is wrong is named."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bridge.core.continuity import Checkpoint, Phase
from bridge.core.errors import EnvironmentProblem
from bridge.core.events import Position
from bridge.runtime.state import StateStore
from bridge.runtime.state_file import FILE_NAME

CHECKPOINT = Checkpoint(
    system_identifier="7412345678901234567",
    timeline=2,
    database="shop",
    slot="pgbridge",
    publication="pub",
    phase=Phase.STREAMING,
    confirmed=0xFFFF_FFFF_FFFF_FFFF,
    positions={"a": Position(0xFFFF_FFFF_0000_0001, 3), "b": Position(0x16_B374D848, -1)},
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[StateStore]:
    with StateStore(tmp_path / "state") as store:
        yield store


def test_nothing_saved_is_no_checkpoint(store: StateStore) -> None:
    assert store.load_checkpoint("pgbridge") is None


def test_a_checkpoint_is_found_again_after_a_restart(tmp_path: Path) -> None:
    with StateStore(tmp_path) as store:
        store.save_checkpoint(CHECKPOINT)
    with StateStore(tmp_path) as store:
        assert store.load_checkpoint("pgbridge") == CHECKPOINT
        assert store.load_checkpoint("other") is None


def test_saving_replaces_the_checkpoint_and_all_positions(store: StateStore) -> None:
    store.save_checkpoint(CHECKPOINT)
    later = replace(CHECKPOINT, confirmed=5, phase=Phase.SNAPSHOT, positions={"b": Position(4, 0)})
    store.save_checkpoint(later)
    assert store.load_checkpoint("pgbridge") == later


def test_a_checkpoint_that_is_forgotten_takes_its_positions_with_it(store: StateStore) -> None:
    store.save_checkpoint(CHECKPOINT)
    store.forget_checkpoint("pgbridge")
    assert store.load_checkpoint("pgbridge") is None
    store.save_checkpoint(replace(CHECKPOINT, positions={}))
    assert store.load_checkpoint("pgbridge") == replace(CHECKPOINT, positions={})


def test_each_slot_has_its_own(store: StateStore) -> None:
    other = replace(CHECKPOINT, slot="other", positions={})
    store.save_checkpoint(CHECKPOINT)
    store.save_checkpoint(other)
    assert store.load_checkpoint("pgbridge") == CHECKPOINT
    assert store.load_checkpoint("other") == other


def test_a_failed_save_changes_nothing(store: StateStore) -> None:
    store.save_checkpoint(CHECKPOINT)
    half = replace(CHECKPOINT, confirmed=7, positions={"x": Position(1, 2**70)})
    with pytest.raises(OverflowError):
        store.save_checkpoint(half)
    assert store.load_checkpoint("pgbridge") == CHECKPOINT


def test_many_threads_may_save_and_load(store: StateStore) -> None:
    failures: list[Exception] = []

    def work(number: int) -> None:
        mine = replace(CHECKPOINT, slot=f"s{number}", confirmed=number)
        try:
            for _ in range(20):
                store.save_checkpoint(mine)
                assert store.load_checkpoint(mine.slot) == mine
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert failures == []


def test_a_second_bridge_is_refused_by_name(store: StateStore) -> None:
    with pytest.raises(EnvironmentProblem, match=f"in use by process {os.getpid()}"):
        StateStore(store.file.path.parent)


def test_a_reader_may_look_while_the_bridge_runs(store: StateStore) -> None:
    store.save_checkpoint(CHECKPOINT)
    with StateStore(store.file.path.parent, exclusive=False) as reader:
        assert reader.load_checkpoint("pgbridge") == CHECKPOINT
        store.save_checkpoint(replace(CHECKPOINT, confirmed=1))
        found = reader.load_checkpoint("pgbridge")
        assert found is not None
        assert found.confirmed == 1


def test_a_reader_needs_something_to_read(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentProblem, match="There is no state in"):
        StateStore(tmp_path / "none", exclusive=False)
    assert not (tmp_path / "none").exists()


def test_what_was_saved_survives_kill_9_and_the_lock_does_not(tmp_path: Path) -> None:
    program = f"""
import os, signal
from pathlib import Path
from dataclasses import replace
from bridge.runtime.state import StateStore
from tests.unit.runtime.test_state import CHECKPOINT
store = StateStore(Path({str(tmp_path)!r}))
store.save_checkpoint(CHECKPOINT)
connection = store.file._connection
connection.execute("BEGIN IMMEDIATE")
connection.execute("DELETE FROM sink_position")
os.kill(os.getpid(), signal.SIGKILL)
"""
    root = Path(__file__).parents[3]
    ended = subprocess.run([sys.executable, "-c", program], cwd=root, timeout=60)
    assert ended.returncode == -signal.SIGKILL
    with StateStore(tmp_path) as store:
        assert store.load_checkpoint("pgbridge") == CHECKPOINT


def test_a_full_disk_is_named_and_the_old_checkpoint_stays(store: StateStore) -> None:
    store.save_checkpoint(CHECKPOINT)
    with store.file.reading() as connection:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages}")
    many = {f"sink-{i}": Position(i, i) for i in range(5000)}
    with pytest.raises(EnvironmentProblem, match="the disk is full"):
        store.save_checkpoint(replace(CHECKPOINT, positions=many))
    assert store.load_checkpoint("pgbridge") == CHECKPOINT


def test_a_file_that_is_not_ours_is_named(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"no database " * 1000)
    with pytest.raises(EnvironmentProblem, match=f"{FILE_NAME} is damaged"):
        StateStore(tmp_path)
    (tmp_path / FILE_NAME).unlink()
    StateStore(tmp_path).close()  # the lock was released


def test_a_directory_that_is_none_is_named(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    for path in (file, file / "below"):
        with pytest.raises(EnvironmentProblem, match=r"cannot be used: .*state\.dir"):
            StateStore(path)


def test_a_file_locked_by_another_program_is_named(store: StateStore) -> None:
    with store.file.reading() as connection:
        connection.execute("PRAGMA busy_timeout = 10")
    other = sqlite3.connect(store.file.path)
    try:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(EnvironmentProblem, match="locked by another program"):
            store.save_checkpoint(CHECKPOINT)
    finally:
        other.close()
    store.save_checkpoint(CHECKPOINT)


def test_a_layout_from_the_future_is_refused(tmp_path: Path) -> None:
    StateStore(tmp_path).close()
    connection = sqlite3.connect(tmp_path / FILE_NAME)
    connection.execute("PRAGMA user_version = 999")
    connection.close()
    with pytest.raises(EnvironmentProblem, match="newer pgbridge"):
        StateStore(tmp_path)


def test_a_checkpoint_that_makes_no_sense_is_named(store: StateStore) -> None:
    store.save_checkpoint(CHECKPOINT)
    with store.file.transaction() as connection:
        connection.execute("UPDATE checkpoint SET confirmed_lsn = 'garbage'")
    with pytest.raises(EnvironmentProblem, match="checkpoint of slot 'pgbridge'"):
        store.load_checkpoint("pgbridge")


def test_the_files_are_for_their_owner_only(store: StateStore) -> None:
    store.save_checkpoint(CHECKPOINT)
    directory = store.file.path.parent
    assert directory.stat().st_mode & 0o077 == 0
    assert [file.name for file in directory.iterdir() if file.stat().st_mode & 0o077] == []
