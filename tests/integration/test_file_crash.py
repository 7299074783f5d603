"""The file sink in a process of its own, killed at random moments and held to a size limit."""

from __future__ import annotations

import json
import random
import resource
import subprocess
import sys
from pathlib import Path

from bridge.core.events import Position
from sinks.base import Feed
from sinks.file import FileConfig, FileSink
from tests.fixtures.events import FEED
from tests.fixtures.results import RESULT_FEED, places
from tests.fixtures.waiting import eventually

EVENTS_PER_BATCH = 7

WRITER = """
import sys
from sinks.file import FileConfig, FileSink
from tests.fixtures.events import FEED, make_batch

sink = FileSink(FileConfig(path=sys.argv[1], rotate_bytes=int(sys.argv[2]) or None))
held = sink.open(FEED)
count = held.ordinal + 1 if held else 0
while True:
    batch = make_batch(*((0x1000, n) for n in range(count, count + 7)), names=["x" * 3000])
    count += 7
    sink.write(batch)
    if count % 3 == 0:
        print(sink.poll().durable.ordinal, flush=True)
"""

RESULT_WRITER = """
import sys
from bridge.core.events import EventBatch
from sinks.file import FileConfig, FileSink
from tests.fixtures.results import RESULT_FEED, make_result

sink = FileSink(FileConfig(path=sys.argv[1], rotate_bytes=int(sys.argv[2]) or None))
held = sink.open(RESULT_FEED)
count = held.commit_lsn if held else 0
while True:
    sink.write(EventBatch([make_result(count + n, values="x" * 3000) for n in range(1, 8)]))
    count += 7
    if count % 3 == 0:
        print(sink.poll().durable.commit_lsn, flush=True)
"""


def start(
    path: Path, rotate_bytes: int = 0, limit: int | None = None, writer: str = WRITER
) -> subprocess.Popen[str]:
    def restrict() -> None:
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    return subprocess.Popen(
        [sys.executable, "-c", writer, str(path), str(rotate_bytes)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
        preexec_fn=restrict,
    )


def total_size(directory: Path) -> int:
    return sum(file.stat().st_size for file in directory.iterdir())


def kill_at_random_moments(path: Path, writer: str) -> int:
    """Let writers write, one after the other, and return the last number they had reported."""
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    choose = random.Random(seed)
    directory, durable = path.parent, -1
    for round_number in range(8):
        enough = total_size(directory) + choose.randrange(1, 400_000)
        process = start(path, rotate_bytes=choose.choice([0, 50_000]), writer=writer)
        eventually(
            lambda enough=enough: total_size(directory) >= enough,
            message="the writer has written",
            ignoring=(FileNotFoundError,),
        )
        process.kill()
        reported, errors = process.communicate()
        assert errors == "", round_number
        durable = max([durable, *map(int, reported.split())])
    return durable


def last_and_lines(path: Path, feed: Feed) -> tuple[Position | None, list[bytes]]:
    """Return where the next writer would go on, and the whole lines of all files."""
    sink = FileSink(FileConfig(path=str(path)))
    last = sink.open(feed)
    sink.close()
    files = [*sorted(path.parent.glob("events-*.jsonl")), path]
    return last, [line for file in files for line in file.read_bytes().split(b"\n")[:-1]]


def test_kill_at_any_moment_loses_repeats_and_tears_nothing(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    durable = kill_at_random_moments(path, WRITER)
    last, lines = last_and_lines(path, FEED)
    ordinals = [json.loads(line)["ordinal"] for line in lines]
    assert ordinals == list(range(len(ordinals)))
    assert last == Position(0x1000, len(ordinals) - 1)
    assert len(ordinals) > durable


def test_kill_at_any_moment_loses_repeats_and_tears_no_result(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    durable = kill_at_random_moments(path, RESULT_WRITER)
    last, lines = last_and_lines(path, RESULT_FEED)
    assert places(lines) == list(range(1, len(lines) + 1))
    assert last == Position(len(lines), 0)
    assert len(lines) >= durable


def test_a_size_limit_of_the_process_stops_it_with_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    process = start(path, limit=100_000)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "EnvironmentProblem" in errors
    assert "File too large" in errors
    lines = path.read_bytes().split(b"\n")
    assert lines.pop() == b""
    assert [json.loads(line)["ordinal"] for line in lines] == list(range(len(lines)))
    assert len(lines) % EVENTS_PER_BATCH == 0


def test_another_process_on_the_same_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    sink = FileSink(FileConfig(path=str(path)))
    sink.open(FEED)
    _, errors = start(path).communicate(timeout=30)
    sink.close()
    assert "EnvironmentProblem: Another process" in errors
    assert path.read_bytes() == b""
