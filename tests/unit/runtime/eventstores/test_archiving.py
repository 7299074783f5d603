"""Archiving into a directory: what a crash, a full disk, or a second process at it leaves."""

from __future__ import annotations

import errno
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from bridge.core.errors import EnvironmentProblem
from bridge.eventsourcing.archive.consistency import faults_in_store
from bridge.eventsourcing.archive.storage import ArchivedStorage
from bridge.eventsourcing.records import Recorded
from bridge.runtime.eventstores.segments import SegmentDirectory
from bridge.runtime.eventstores.sqlite import SqliteStorage
from tests.fixtures.small_disk import fill as fill_disk
from tests.fixtures.small_disk import small_disk
from tests.fixtures.waiting import eventually
from tests.unit.eventsourcing.archive.stores import archive, fill, snapshot

ROOT = Path(__file__).parents[4]
EVENTS = 60


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A directory with a store ``events.db`` of which almost everything may move."""
    storage = SqliteStorage(tmp_path / "events.db")
    fill(storage, random.Random(7), EVENTS)
    for head in storage.aggregates(None, 100):
        snapshot(storage, head.aggregate_id, max(1, head.last_sequence - 1))
    storage.close()
    return tmp_path


def opened(home: Path) -> ArchivedStorage:
    return ArchivedStorage(SqliteStorage(home / "events.db"), SegmentDirectory(home / "archive"))


def contents(home: Path) -> list[Recorded]:
    """Return all events, after a check that the store is whole."""
    storage = opened(home)
    try:
        files = SegmentDirectory(home / "archive")
        assert list(faults_in_store(storage, files, lambda _: None)) == []
        return storage.read_all(0, 1000)
    finally:
        storage.close()


def archive_until(home: Path, step: int) -> int:
    """Archive in a process that kills itself at this step; return its exit code."""
    command = [sys.executable, "-m", "tests.unit.runtime.eventstores.killed_archiver"]
    where = [str(home / "events.db"), str(home / "archive"), str(step)]
    return subprocess.run([*command, *where], cwd=ROOT, timeout=60).returncode


def test_a_process_that_is_killed_at_any_step_loses_and_repeats_nothing(
    home: Path, tmp_path: Path
) -> None:
    everything = contents(home)
    assert len(everything) == EVENTS
    code, step = -signal.SIGKILL, 0
    while code:
        step += 1
        place = tmp_path / f"step-{step}"
        place.mkdir()
        shutil.copy(home / "events.db", place)
        code = archive_until(place, step)
        assert code in (0, -signal.SIGKILL)
        assert contents(place) == everything, step

        storage = opened(place)
        archive(storage.live, SegmentDirectory(place / "archive"), segment_events=20)
        assert storage.live.counts()["events"] == 6
        storage.close()
        assert contents(place) == everything, step
        assert not list((place / "archive").glob("*.part"))
        shutil.rmtree(place)
    assert step > 12  # write, sync, rename, sync and archive, for each of the segments


@pytest.mark.parametrize("full", ["archive", "store"])
def test_a_disk_that_is_really_full_is_named_and_costs_nothing(home: Path, full: str) -> None:
    everything = contents(home)
    with small_disk(home / "disk") as disk:
        path, directory = home / "events.db", disk / "archive"
        if full == "store":
            path, directory = disk / "events.db", home / "archive"
            shutil.move(home / "events.db", path)
        files = SegmentDirectory(directory)
        storage = ArchivedStorage(SqliteStorage(path), files)
        fill_disk(disk / "filler", leave=4096)

        with pytest.raises(EnvironmentProblem, match="the disk is full") as caught:
            archive(storage.live, files, segment_events=20)
        assert str(disk) in caught.value.message
        assert "ree space on its disk" in caught.value.remedy
        assert storage.read_all(0, 1000) == everything
        assert list(faults_in_store(storage, files, lambda _: None)) == []

        (disk / "filler").unlink()
        archive(storage.live, files, segment_events=20)
        assert storage.live.counts()["events"] == 6
        assert storage.read_all(0, 1000) == everything
        storage.close()


@pytest.mark.parametrize("call", ["write", "fsync"])
def test_a_disk_that_is_full_between_two_calls_costs_nothing(
    home: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    storage, files = opened(home), SegmentDirectory(home / "archive")
    everything = storage.read_all(0, 1000)
    calls = 0
    real = getattr(os, call)

    def full(*args: object) -> object:
        nonlocal calls
        calls += 1
        if calls > 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(*args)

    with monkeypatch.context() as patched:
        patched.setattr(os, call, full)
        with pytest.raises(EnvironmentProblem, match="the disk is full") as caught:
            archive(storage.live, files, segment_events=20)
    assert "the events are still in the store" in caught.value.remedy
    assert storage.read_all(0, 1000) == everything
    assert not list((home / "archive").glob("*.part"))

    archive(storage.live, files, segment_events=20)
    assert storage.live.counts()["events"] == 6
    storage.close()
    assert contents(home) == everything


def test_only_one_process_archives_a_store(home: Path) -> None:
    storage, files = opened(home), SegmentDirectory(home / "archive")
    with (
        SegmentDirectory(home / "archive").exclusive(storage.identity),
        pytest.raises(EnvironmentProblem, match="Another process archives the same event store"),
    ):
        archive(storage.live, files)
    assert archive(storage.live, files) == EVENTS - 6
    storage.close()


def test_two_stores_share_a_directory(home: Path, tmp_path: Path) -> None:
    files = SegmentDirectory(home / "archive")
    other = SqliteStorage(tmp_path / "other.db")
    fill(other, random.Random(8), EVENTS)
    snapshot(other, "a0", 1)
    first = opened(home)
    with files.exclusive(first.identity):
        assert archive(other, files) == 1
    archive(first.live, files)
    assert len(files.names()) == 2
    assert len(ArchivedStorage(other, files).read_all(0, 1000)) == EVENTS
    other.close()
    first.close()


def test_a_missing_file_and_a_damaged_one_are_named(home: Path) -> None:
    storage, files = opened(home), SegmentDirectory(home / "archive")
    archive(storage.live, files, segment_events=20)
    lost, damaged, _ = files.names()
    (home / "archive" / lost).unlink()
    content = bytearray((home / "archive" / damaged).read_bytes())
    content[len(content) // 2] ^= 16
    (home / "archive" / damaged).write_bytes(content)

    with pytest.raises(EnvironmentProblem, match=f"{lost} is not in .*archive"):
        storage.read_all(0, 10)
    found = {
        fault.where: fault.problem for fault in faults_in_store(storage, files, lambda _: None)
    }
    assert set(found) == {lost, damaged}
    assert "is not in" in found[lost]
    assert "Its SHA-256 is not" in found[damaged]
    assert "is damaged at byte" in found[damaged]
    storage.close()


def test_a_directory_that_cannot_be_used_is_named(home: Path) -> None:
    (home / "archive").write_text("a file")
    storage = opened(home)
    with pytest.raises(EnvironmentProblem, match=r"archive cannot be used: .*archive\.dir"):
        archive(storage.live, SegmentDirectory(home / "archive"))
    storage.close()


@pytest.mark.nightly
def test_a_process_that_is_killed_at_any_moment_loses_and_repeats_nothing(
    home: Path, tmp_path: Path
) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    everything = contents(home)
    killed = 0
    for number in range(60):
        place = tmp_path / f"try-{number}"
        place.mkdir()
        shutil.copy(home / "events.db", place)
        command = [sys.executable, "-m", "tests.unit.runtime.eventstores.killed_archiver"]
        where = [str(place / "events.db"), str(place / "archive"), "0"]
        with subprocess.Popen([*command, *where], cwd=ROOT) as process:
            eventually(
                lambda: (place / "archive").exists() or process.poll() is not None,  # noqa: B023
                message="archiving has begun",
            )
            ender = threading.Timer(chance.uniform(0, 0.03), process.kill)
            ender.start()
            killed += process.wait(30) != 0
            ender.join()
        assert contents(place) == everything
        shutil.rmtree(place)
    assert killed > 5
