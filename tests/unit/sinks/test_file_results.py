"""A file of results after crashes: it goes on behind the last result that is whole, wherever that
stands, and trusts nobody else's."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from bridge.core.errors import EnvironmentProblem
from bridge.core.events import EventBatch, Position
from bridge.core.result_event import RESULT_TYPES
from sinks.base import Feed
from sinks.event_tail import Tail, read_tail
from sinks.file import FileConfig, FileSink
from sinks.formats import NATIVE, encode_batch
from tests.fixtures.events import FEED, SOURCE, many_transactions
from tests.fixtures.results import (
    OTHER_RESULT_FEED,
    OTHER_STORE,
    RESULT_FEED,
    STORE,
    make_result,
    places,
    result_batches,
)

TIMEOUT_S = 10.0
BATCHES = result_batches(8)
LINES = [f"{line}\n".encode() for batch in BATCHES for line in encode_batch(batch)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "results.jsonl"


def tail_of(data: bytes) -> Tail:
    starts = tuple(start.encode() for start in NATIVE.line_starts)
    return read_tail(io.BytesIO(data), "results.jsonl", 4096, starts)


def resume(
    path: Path,
    batches: list[EventBatch],
    *,
    feed: Feed = RESULT_FEED,
    rotate_bytes: int | None = None,
) -> Position | None:
    """Open the file, write what it does not prove to hold, and return where it had come to."""
    sink = FileSink(FileConfig(path=str(path), rotate_bytes=rotate_bytes))
    held = sink.open(feed)
    for batch in batches:
        sink.write(batch.after(held) if held else batch)
    sink.flush(TIMEOUT_S)
    sink.close()
    return held


def numbers(path: Path) -> list[int]:
    """Return the numbers of the results in all files, in the order of the files' names."""
    files = [*sorted(path.parent.glob("results-*.jsonl")), path]
    return [n for file in files for n in places(file.read_bytes().splitlines())]


# The end of the file


@pytest.mark.parametrize("result_type", RESULT_TYPES)
def test_a_line_of_any_type_tells_its_place(result_type: str) -> None:
    line = f"{NATIVE.encode(make_result(77, type=result_type))}\n".encode()
    last = tail_of(line).last
    assert last is not None
    assert last.position == Position(77, 0)
    assert last.comes_from(STORE)
    assert not last.comes_from(OTHER_STORE)
    assert not last.comes_from(SOURCE)


def test_identifiers_among_the_values_are_not_mistaken_for_the_place() -> None:
    trap = {"delivery_id": make_result(1).delivery_id, "event_id": make_result(1).delivery_id}
    last = tail_of(f"{NATIVE.encode(make_result(9, values=trap))}\n".encode()).last
    assert last is not None
    assert last.position == Position(9, 0)


def test_a_last_result_cut_anywhere_is_torn() -> None:
    good = b"".join(LINES[:3])
    for line in LINES[3:7]:  # one of each type
        for length in range(1, len(line)):
            tail = tail_of(good + line[:length])
            assert tail.end == len(good), length
            assert tail.last is not None
            assert tail.last.position == Position(3, 0)


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b'{"type":"some_result","delivery_id":"x"}\n', id="unknown-type"),
        pytest.param(LINES[0].replace(b"{", b"{ ", 1), id="another-writer"),
    ],
)
def test_what_is_no_result_of_ours_is_refused(line: bytes) -> None:
    with pytest.raises(EnvironmentProblem, match="byte 0"):
        tail_of(line + LINES[1])


# Crashes


def test_after_a_torn_end_the_file_goes_on_with_exactly_the_next_result(path: Path) -> None:
    whole = b"".join(LINES)
    for cut in range(len(b"".join(LINES[:20])), len(whole), 37):
        path.write_bytes(whole[:cut])
        expected = whole[:cut].count(b"\n")
        assert resume(path, BATCHES) == Position(expected, 0)
        assert path.read_bytes() == whole


def test_results_that_the_outbox_offers_again_are_not_written_twice(path: Path) -> None:
    resume(path, BATCHES[:5])
    assert resume(path, BATCHES) == Position(15, 0)
    assert resume(path, BATCHES) == Position(24, 0)
    assert numbers(path) == list(range(1, 25))


def test_numbers_of_other_sinks_are_passed_over(path: Path) -> None:
    own = EventBatch([make_result(n) for n in (2, 3, 7, 11)])
    resume(path, [EventBatch(own.events[:3])])
    assert resume(path, [own]) == Position(7, 0)
    assert numbers(path) == [2, 3, 7, 11]


# Rotation


@pytest.mark.parametrize("left", ["a torn line", "an empty file", "no file"])
def test_after_a_rotation_the_file_goes_on_with_exactly_the_next_result(
    path: Path, left: str
) -> None:
    resume(path, BATCHES, rotate_bytes=1)
    if left == "no file":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:100] if left == "a torn line" else b"")
    assert resume(path, BATCHES, rotate_bytes=1) == Position(21, 0)
    assert numbers(path) == list(range(1, 25))


def test_a_rotated_file_is_named_after_the_number_of_its_last_result(path: Path) -> None:
    resume(path, BATCHES[:2], rotate_bytes=1)
    assert [file.name for file in path.parent.glob("results-*")] == [
        "results-0000000000000003-0000000000.jsonl"
    ]


@pytest.mark.parametrize("before", ["changes", "another store"])
def test_files_that_were_rotated_before_with_greater_names_do_not_hide_the_last_result(
    path: Path, before: str
) -> None:
    if before == "changes":
        resume(path, many_transactions(4), feed=FEED, rotate_bytes=1)
    else:
        later = result_batches(4, first=1000, source=OTHER_STORE)
        resume(path, later, feed=OTHER_RESULT_FEED, rotate_bytes=1)
    assert resume(path, BATCHES[:3], rotate_bytes=1) is None
    path.write_bytes(b"")  # a crash between the new name of a file and the first line of the next
    assert resume(path, BATCHES, rotate_bytes=1) == Position(6, 0)


# Neighbours in the same file


def test_results_of_another_store_are_kept_and_not_trusted(path: Path) -> None:
    resume(path, BATCHES)
    old = path.read_bytes()
    new = result_batches(2, source=OTHER_STORE)
    assert resume(path, new[:1], feed=OTHER_RESULT_FEED) is None
    assert resume(path, new, feed=OTHER_RESULT_FEED) == Position(3, 0)
    assert path.read_bytes().startswith(old)
    assert numbers(path) == [*range(1, 25), *range(1, 7)]
    assert resume(path, []) is None


def test_changes_and_results_may_follow_each_other(path: Path) -> None:
    changes = many_transactions(3)
    assert resume(path, changes[:2], feed=FEED) is None
    assert resume(path, BATCHES[:1]) is None
    assert resume(path, BATCHES[:2]) == Position(3, 0)
    assert resume(path, changes[2:], feed=FEED) is None
    assert resume(path, changes, feed=FEED) == changes[-1].last
    written = [f"{line}\n".encode() for b in (*changes[:2], *BATCHES[:2], changes[2])
               for line in encode_batch(b)]  # fmt: skip
    assert path.read_bytes() == b"".join(written)
