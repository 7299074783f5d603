"""The file sink: rotation, locks, errors of the disk, and other programs on the same file."""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from bridge.core.errors import BridgeError, ConfigError, EnvironmentProblem, Transient
from bridge.core.events import EventBatch, Position
from sinks import append_file
from sinks.base import Progress
from sinks.file import FileConfig, FileSink
from sinks.formats import encode_batch
from tests.fixtures.events import (
    FEED,
    OTHER_FEED,
    OTHER_SOURCE,
    as_json,
    make_batch,
    make_message,
    many_transactions,
    positions,
    whole_transaction,
)

BATCHES = many_transactions(12)
TIMEOUT_S = 10.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.jsonl"


def open_sink(path: Path, rotate_bytes: int | None = None) -> FileSink:
    sink = FileSink(FileConfig(path=str(path), rotate_bytes=rotate_bytes))
    sink.open(FEED)
    return sink


def write_all(path: Path, batches: list[EventBatch], rotate_bytes: int | None = None) -> None:
    sink = open_sink(path, rotate_bytes)
    for batch in batches:
        sink.write(batch)
    sink.flush(TIMEOUT_S)
    sink.close()


def files_of(path: Path) -> list[Path]:
    """Return the files in the order of their names, the current one last."""
    return [*sorted(path.parent.glob(f"{path.stem}-*{path.suffix}")), path]


def held(*paths: Path) -> list[Position]:
    events = [json.loads(line) for path in paths for line in path.read_bytes().splitlines()]
    return [Position(event["commit_lsn"], event["ordinal"]) for event in events]


def size_of(batch: EventBatch) -> int:
    return sum(len(line) + 1 for line in encode_batch(batch))


# Where the file comes from


def test_missing_directories_are_made_and_only_the_owner_may_read(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "events.jsonl"
    write_all(path, BATCHES[:1])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.parent.parent.stat().st_mode) == 0o700


def test_an_existing_file_keeps_its_mode_and_hands_it_on(path: Path) -> None:
    path.touch()
    path.chmod(0o640)
    write_all(path, BATCHES[:3], rotate_bytes=1)
    assert [stat.S_IMODE(file.stat().st_mode) for file in files_of(path)] == [0o640] * 3


def test_a_tilde_is_the_home_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    write_all(Path("~/events.jsonl"), BATCHES[:1])
    assert held(tmp_path / "events.jsonl") == positions(BATCHES[:1])


def test_a_dash_is_standard_output(capfd: pytest.CaptureFixture[str]) -> None:
    sink = FileSink(FileConfig(path="-"))
    sink.open(FEED)
    sink.write(BATCHES[0])
    sink.close()
    lines = capfd.readouterr().out.splitlines()
    assert [json.loads(line) for line in lines] == as_json(BATCHES[:1])


def test_rotating_standard_output_is_refused() -> None:
    with pytest.raises(ConfigError, match="Standard output cannot be rotated"):
        FileConfig(path="-", rotate_bytes=1000)


def a_directory(path: Path) -> None:
    path.mkdir()


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def a_loop_of_links(path: Path) -> None:
    path.symlink_to(path)


@pytest.mark.parametrize("make", [a_directory, a_pipe, a_loop_of_links])
def test_a_path_that_is_no_file_is_named_with_a_remedy(
    path: Path, make: Callable[[Path], None]
) -> None:
    make(path)
    with pytest.raises(EnvironmentProblem, match=r"events\.jsonl") as caught:
        open_sink(path)
    assert "Choose another path" in caught.value.remedy


def test_a_file_in_place_of_the_directory_is_an_environment_problem(tmp_path: Path) -> None:
    (tmp_path / "events").touch()
    with pytest.raises(EnvironmentProblem, match="Not a directory"):
        open_sink(tmp_path / "events" / "deeper" / "events.jsonl")


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS])
def test_a_path_without_permission_is_named_with_a_remedy(
    path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    # The tests may run as root, whom no file mode stops.
    def refuse(*args: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(EnvironmentProblem, match=str(path)) as caught:
        open_sink(path)
    assert "the user that runs pgbridge" in caught.value.remedy


def test_a_file_of_something_else_is_left_alone(path: Path) -> None:
    path.write_text("my notes\nmore notes")
    with pytest.raises(EnvironmentProblem, match="something other than events"):
        open_sink(path)
    assert path.read_text() == "my notes\nmore notes"


# One writer


def test_a_second_writer_of_the_same_file_is_refused(path: Path) -> None:
    first = open_sink(path)
    with pytest.raises(EnvironmentProblem, match=r"events\.jsonl") as caught:
        open_sink(path)
    assert caught.value.remedy
    first.write(BATCHES[0])
    first.flush(TIMEOUT_S)
    first.close()
    open_sink(path).close()
    assert held(path) == positions(BATCHES[:1])


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="this system has no /proc")
def test_no_descriptor_stays_open_after_a_refusal_or_close(path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    first = open_sink(path)
    for _ in range(3):
        with pytest.raises(EnvironmentProblem):
            open_sink(path)
    first.close()
    path.write_text("notes")
    refused = FileSink(FileConfig(path=str(path)))
    with pytest.raises(EnvironmentProblem):
        refused.open(FEED)
    refused.close()
    assert len(os.listdir("/proc/self/fd")) == before


def test_the_lock_follows_the_name_after_a_rotation(path: Path) -> None:
    first = open_sink(path, rotate_bytes=1)
    first.write(BATCHES[0])
    first.write(BATCHES[1])
    with pytest.raises(EnvironmentProblem):
        open_sink(path)
    first.close()


# Rotation


def test_names_of_rotated_files_sort_in_the_order_of_the_stream(path: Path) -> None:
    batches = [
        whole_transaction(0x9, 2),
        whole_transaction(0x10, 12),
        EventBatch([make_message(0xFFFFFFFF)]),
        whole_transaction(0xFFFFFFFF, 3),
        whole_transaction(0x1_0000_0000, 1),
        whole_transaction(0x7FFF_FFFF_FFFF_FFFF, 1),
    ]
    write_all(path, batches, rotate_bytes=1)
    assert len(files_of(path)) == len(batches)
    assert held(*files_of(path)) == positions(batches)


def test_a_rotated_file_is_named_after_its_last_event(path: Path) -> None:
    write_all(path, [whole_transaction(0x16_B374D848, 4), BATCHES[0]], rotate_bytes=1)
    assert files_of(path)[0].name == "events-00000016B374D848-0000000003.jsonl"


def test_files_stay_below_the_limit_and_batches_stay_whole(path: Path) -> None:
    limit = 3 * max(map(size_of, BATCHES))
    write_all(path, BATCHES, rotate_bytes=limit)
    files = files_of(path)
    assert len(files) == 4
    assert all(file.stat().st_size <= limit for file in files)
    assert held(*files) == positions(BATCHES)


def test_a_batch_above_the_limit_has_a_file_of_its_own(path: Path) -> None:
    batches = [BATCHES[0], whole_transaction(0x1050, 500), BATCHES[1]]
    write_all(path, batches, rotate_bytes=1000)
    assert [held(file) for file in files_of(path)] == [positions([batch]) for batch in batches]


@pytest.mark.parametrize("left", ["an empty file", "no file"])
def test_the_newest_rotated_file_tells_where_to_go_on(path: Path, left: str) -> None:
    write_all(path, BATCHES, rotate_bytes=1)
    if left == "no file":
        path.unlink()
    else:
        path.write_bytes(b"")
    sink = FileSink(FileConfig(path=str(path), rotate_bytes=1))
    assert sink.open(FEED) == BATCHES[-2].last
    sink.write(BATCHES[-1])
    sink.flush(TIMEOUT_S)
    sink.close()
    assert held(*files_of(path)) == positions(BATCHES)


def test_a_rotated_file_of_another_source_or_a_damaged_one_tells_nothing(path: Path) -> None:
    write_all(path, BATCHES[:2], rotate_bytes=1)
    path.unlink()
    sink = FileSink(FileConfig(path=str(path), rotate_bytes=1))
    assert sink.open(OTHER_FEED) is None
    sink.close()
    rotated = files_of(path)[0]
    rotated.write_bytes(rotated.read_bytes()[:-1])
    assert sink.open(FEED) is None
    sink.close()


def test_rotation_overwrites_no_file(path: Path) -> None:
    batches = [BATCHES[0]] * 4
    sink = open_sink(path, rotate_bytes=1)
    for batch in batches:
        sink.write(batch)
    sink.close()
    assert len(files_of(path)) == 4
    assert held(*files_of(path)) == positions(batches)


def test_other_files_beside_it_are_not_taken_for_rotated_ones(path: Path) -> None:
    for name in ("events-old.jsonl", "events-0000000000001000-0000000001.jsonl.gz", "other.jsonl"):
        path.with_name(name).write_text("notes")
    sink = FileSink(FileConfig(path=str(path), rotate_bytes=1))
    assert sink.open(FEED) is None
    sink.close()


def test_a_link_stays_a_link_when_the_file_behind_it_is_rotated(tmp_path: Path) -> None:
    real = tmp_path / "disk" / "real.jsonl"
    real.parent.mkdir()
    link = tmp_path / "events.jsonl"
    link.symlink_to(real)
    write_all(link, BATCHES[:3], rotate_bytes=1)
    assert link.is_symlink()
    assert held(*files_of(real)) == positions(BATCHES[:3])


# When something is durable


class Disk:
    """The calls that write and synchronise, counted and made to fail as asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.room: int | None = None
        self.sync_errors: list[int] = []
        self.written: list[tuple[int, int]] = []
        self.unsynced = 0
        self.most_unsynced = 0
        self.syncs = 0
        self._pwrite = os.pwrite
        self._sync = append_file._sync_descriptor
        monkeypatch.setattr(os, "pwrite", self.pwrite)
        monkeypatch.setattr(append_file, "_sync_descriptor", self.sync)

    def pwrite(self, descriptor: int, data: bytes, offset: int) -> int:
        if self.room is not None:
            if self.room == 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            data = data[: self.room]
            self.room -= len(data)
        count = self._pwrite(descriptor, data, offset)
        self.written.append((offset, count))
        self.unsynced += count
        self.most_unsynced = max(self.most_unsynced, self.unsynced)
        return count

    def sync(self, descriptor: int) -> None:
        self.syncs += 1
        if self.sync_errors:
            number = self.sync_errors.pop(0)
            raise OSError(number, os.strerror(number))
        self._sync(descriptor)
        self.unsynced = 0


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


def test_one_fsync_makes_all_batches_durable(path: Path, disk: Disk) -> None:
    sink = open_sink(path)
    before = disk.syncs
    for batch in BATCHES:
        sink.write(batch)
    assert disk.syncs == before
    assert sink.poll() == Progress(BATCHES[-1].last)
    assert sink.poll() == sink.flush(TIMEOUT_S) == Progress(BATCHES[-1].last)
    assert disk.syncs == before + 1
    sink.close()


def test_no_more_than_what_open_checks_is_ever_written_without_fsync(
    path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(append_file, "MAX_UNSYNCED_BYTES", 1000)
    sink = open_sink(path)
    for batch in [*BATCHES, whole_transaction(0x9000, 100)]:
        sink.write(batch)
    assert 0 < disk.most_unsynced <= 1000
    sink.close()


def test_a_rotated_file_is_durable_before_its_name_changes(
    path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    unsynced_at_rename = []
    rename = os.rename

    def noting_rename(source: str, target: str) -> None:
        unsynced_at_rename.append(disk.unsynced)
        rename(source, target)

    monkeypatch.setattr(os, "rename", noting_rename)
    write_all(path, BATCHES, rotate_bytes=2000)
    assert unsynced_at_rename
    assert set(unsynced_at_rename) == {0}


def test_new_names_are_durable_before_anything_is_written_under_them(
    path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    directories = []
    fsync = os.fsync

    def noting_fsync(descriptor: int) -> None:
        fsync(descriptor)
        names = {file.name for file in path.parent.iterdir()} if path.parent.exists() else set()
        directories.append((os.fstat(descriptor).st_ino, names))

    monkeypatch.setattr(os, "fsync", noting_fsync)
    path = path.parent / "new" / "events.jsonl"
    sink = open_sink(path, rotate_bytes=1)
    parent, directory = path.parent.parent.stat().st_ino, path.parent.stat().st_ino
    assert [inode for inode, _ in directories] == [parent, directory]
    assert directories[-1][1] == {"events.jsonl"}
    sink.write(BATCHES[0])
    written = len(disk.written)
    sink.write(BATCHES[1])
    assert len(disk.written) == written + 1
    assert directories[-1] == (directory, {file.name for file in files_of(path)})
    sink.close()


def test_short_writes_are_continued(
    path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    pwrite = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, data, at: pwrite(fd, data[:7], at))
    write_all(path, BATCHES[:2])
    assert held(path) == positions(BATCHES[:2])


def test_a_full_disk_is_waited_for_and_leaves_whole_lines(path: Path, disk: Disk) -> None:
    sink = open_sink(path)
    sink.write(BATCHES[0])
    sink.flush(TIMEOUT_S)
    for room in (0, 1, 100, 400):
        disk.room = room
        with pytest.raises(Transient, match=r"events\.jsonl.*No space left") as caught:
            sink.write(BATCHES[1])
        assert "space" in caught.value.remedy
        sink.close()
        assert held(path) == positions(BATCHES[:1])
        disk.room = None
        assert sink.open(FEED) == BATCHES[0].last
    sink.write(BATCHES[1])
    assert sink.flush(TIMEOUT_S) == Progress(BATCHES[1].last)
    sink.close()
    assert held(path) == positions(BATCHES[:2])


def test_a_failed_fsync_reports_nothing_and_is_followed_by_writing_again(
    path: Path, disk: Disk
) -> None:
    sink = open_sink(path)
    sink.write(BATCHES[0])
    sink.flush(TIMEOUT_S)
    sink.write(BATCHES[1])
    disk.sync_errors = [errno.EIO, errno.EIO]
    with pytest.raises(Transient, match="Input/output error"):
        sink.poll()
    sink.close()
    with pytest.raises(Transient, match="Input/output error"):
        sink.open(FEED)  # nothing that this fsync did not cover is believed either
    sink.close()
    disk.written.clear()
    assert sink.open(FEED) == BATCHES[1].last
    assert disk.written == [(0, path.stat().st_size)]
    assert disk.unsynced == 0
    sink.close()


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (errno.ENOSPC, Transient),
        (errno.EDQUOT, Transient),
        (errno.EIO, Transient),
        (errno.EROFS, EnvironmentProblem),
        (errno.EFBIG, EnvironmentProblem),
    ],
)
def test_each_error_of_the_disk_has_its_class(
    path: Path, disk: Disk, number: int, expected: type[BridgeError]
) -> None:
    sink = open_sink(path)
    sink.write(BATCHES[0])
    disk.sync_errors = [number]
    with pytest.raises(expected, match=os.strerror(number)):
        sink.poll()
    sink.close()


# Other programs


def moved(path: Path) -> None:
    path.rename(path.with_suffix(".1"))


def deleted(path: Path) -> None:
    path.unlink()


def replaced(path: Path) -> None:
    path.unlink()
    path.touch()


def emptied(path: Path) -> None:
    os.truncate(path, 0)


@pytest.mark.parametrize("act", [moved, deleted, replaced, emptied])
def test_nothing_is_lost_when_the_file_is_taken_away(
    path: Path, act: Callable[[Path], None]
) -> None:
    sink = open_sink(path)
    sink.write(BATCHES[0])
    durable = sink.flush(TIMEOUT_S).durable
    assert durable is not None
    sink.write(BATCHES[1])
    act(path)
    with pytest.raises(Transient, match=r"events\.jsonl"):
        sink.poll()
    sink.close()
    assert sink.open(FEED) is None
    for batch in BATCHES[:3]:
        sink.write(batch.after(durable))
    assert sink.flush(TIMEOUT_S).durable == BATCHES[2].last
    sink.close()
    assert held(path) == positions(BATCHES[1:3])


def test_a_file_that_another_program_wrote_to_is_not_added_to(path: Path) -> None:
    sink = open_sink(path)
    sink.write(BATCHES[0])
    with path.open("a") as other:
        other.write("by hand")
    with pytest.raises(Transient, match="changed by another program"):
        sink.write(BATCHES[1])
    sink.close()
    with pytest.raises(EnvironmentProblem, match="something other than events"):
        sink.open(FEED)
    sink.close()


def test_a_torn_end_is_cut_off_and_written_anew(path: Path) -> None:
    write_all(path, BATCHES[:3])
    whole = path.read_bytes()
    for torn in (whole[:-1], whole[: -size_of(BATCHES[2]) // 2], whole + bytes(300)):
        path.write_bytes(torn)
        sink = FileSink(FileConfig(path=str(path)))
        last = sink.open(FEED)
        assert last is not None
        sink.write(BATCHES[2].after(last))
        sink.flush(TIMEOUT_S)
        sink.close()
        assert path.read_bytes() == whole


def test_a_batch_of_one_source_may_follow_another(path: Path) -> None:
    write_all(path, BATCHES[:1])
    sink = FileSink(FileConfig(path=str(path)))
    assert sink.open(OTHER_FEED) is None
    sink.write(make_batch((0x10, 0), source=OTHER_SOURCE))
    sink.flush(TIMEOUT_S)
    sink.close()
    assert sink.open(OTHER_FEED) == Position(0x10, 0)
    sink.close()
    assert sink.open(FEED) is None
    sink.close()
