"""What is left of a file of events after a crash, and what is never touched."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.errors import EnvironmentProblem
from bridge.core.events import EventBatch, Position
from sinks.event_tail import Tail, read_tail
from sinks.formats import NATIVE, Format, FormatConfig, encode_batch, make_format
from tests.fixtures.events import (
    OTHER_SOURCE,
    SOURCE,
    make_batch,
    make_event,
    make_message,
    make_relation,
    whole_transaction,
)

WINDOW = 4096


def lines_of(batch: EventBatch) -> list[bytes]:
    return [f"{line}\n".encode() for line in encode_batch(batch)]


def starts_of(fmt: Format) -> tuple[bytes, ...]:
    return tuple(start.encode() for start in fmt.line_starts)


def tail_of(data: bytes, window: int = WINDOW) -> Tail:
    return read_tail(io.BytesIO(data), "events.jsonl", window, starts_of(NATIVE))


LINES = lines_of(whole_transaction(0x1000, 4))
WHOLE = b"".join(LINES)
GOOD = b"".join(LINES[:3])


def test_an_empty_file_has_no_last_event() -> None:
    assert tail_of(b"") == Tail(0, 0, None)


@pytest.mark.parametrize("window", [1, 100, 300, len(WHOLE), WINDOW])
def test_a_whole_file_ends_with_its_last_event(window: int) -> None:
    tail = tail_of(WHOLE, window)
    assert tail.end == len(WHOLE)
    assert tail.last is not None
    assert tail.last.position == Position(0x1000, 3)
    assert tail.last.comes_from(SOURCE)
    assert not tail.last.comes_from(OTHER_SOURCE)


@pytest.mark.parametrize("window", [1, 300, WINDOW])
def test_a_last_line_cut_anywhere_is_torn(window: int) -> None:
    for length in range(1, len(LINES[3])):
        tail = tail_of(GOOD + LINES[3][:length], window)
        assert tail.end == len(GOOD), length
        assert tail.last is not None
        assert tail.last.position == Position(0x1000, 2), length


def test_an_only_line_cut_anywhere_is_torn() -> None:
    for length in range(1, len(LINES[0])):
        assert tail_of(LINES[0][:length]) == Tail(0, 0, None)


def test_a_last_line_that_is_no_json_is_torn() -> None:
    damaged = LINES[3].replace(b'"new_values":{', b'"new_values":[')
    assert tail_of(GOOD + damaged).end == len(GOOD)


@given(st.integers(0, len(LINES[3])), st.integers(1, 600), st.booleans())
def test_blocks_of_zeros_and_what_is_behind_them_are_torn(
    written: int, zeros: int, more: bool
) -> None:
    data = GOOD + LINES[3][:written] + bytes(zeros) + (WHOLE if more else b"")
    tail = tail_of(data)
    expected = WHOLE if written == len(LINES[3]) else GOOD
    assert tail.end == len(expected)


def test_a_file_of_zeros_is_torn() -> None:
    assert tail_of(bytes(WINDOW)) == Tail(0, 0, None)


def test_a_torn_line_may_be_longer_than_the_window() -> None:
    (line,) = lines_of(make_batch((0x2000, 0), names=["x" * 300_000]))
    for torn in (line[:-1], line[:200_000], line[:200_000] + bytes(500)):
        tail = tail_of(GOOD + torn)
        assert tail.end == len(GOOD)
        assert tail.last is not None
        assert tail.last.position == Position(0x1000, 2)
    assert tail_of(line[:-1]) == Tail(0, 0, None)


def test_a_whole_line_may_be_longer_than_the_window() -> None:
    (line,) = lines_of(make_batch((0x2000, 0), names=["x" * 300_000]))
    tail = tail_of(GOOD + line)
    assert tail.start == len(GOOD)
    assert tail.end == len(GOOD + line)
    assert tail.last is not None
    assert tail.last.position == Position(0x2000, 0)


@pytest.mark.parametrize(
    "document",
    [
        pytest.param("[" * 5000 + "]" * 5000, id="deep"),
        pytest.param("1" * 6000, id="long-number"),
        pytest.param('{"commit_lsn":1,"event_id":"x"}', id="members-of-the-event"),
    ],
)
def test_any_document_in_a_row_makes_a_whole_line(document: str) -> None:
    relation = make_relation({"id": "int8", "doc": "json"}, key=["id"])
    event = make_event(0x2000, 7, row=("1", document), relation=relation)
    tail = tail_of(b"".join(lines_of(EventBatch([event]))))
    assert tail.last is not None
    assert tail.last.position == Position(0x2000, 7)


def test_a_non_transactional_message_has_its_position() -> None:
    tail = tail_of(b"".join(lines_of(EventBatch([make_message(0x2000)]))))
    assert tail.last is not None
    assert tail.last.position == Position(0x2000, -1)
    assert tail.last.comes_from(SOURCE)


OTHER_FORMATS = [
    make_format(FormatConfig(format="debezium")),
    make_format(FormatConfig(format="cloudevents")),
    make_format(FormatConfig(format="flat")),
]


@pytest.mark.parametrize("fmt", OTHER_FORMATS, ids=[fmt.name for fmt in OTHER_FORMATS])
def test_every_format_tells_its_last_event(fmt: Format) -> None:
    trap = '{"id":"00000000-0000-8200-8381-992e00000007","event_id":"x","__event_id":"y"}'
    relation = make_relation({"id": "uuid", "doc": "json"}, key=["id"])
    event = make_event(
        0x3000, 7, row=("00000000-0000-8200-8381-992e00000007", trap), relation=relation
    )
    first, second = (
        f"{fmt.encode(each)}\n".encode() for each in (make_event(0x2000, 1, row=("1", trap)), event)
    )
    for length in range(len(second) + 1):
        tail = read_tail(
            io.BytesIO(first + second[:length]), "events.jsonl", WINDOW, starts_of(fmt)
        )
        whole = length == len(second)
        assert tail.end == len(first) + (length if whole else 0)
        assert tail.last is not None
        assert tail.last.position == (Position(0x3000, 7) if whole else Position(0x2000, 1))
        assert tail.last.comes_from(SOURCE)


@pytest.mark.parametrize("fmt", OTHER_FORMATS, ids=[fmt.name for fmt in OTHER_FORMATS])
def test_a_file_in_another_format_is_refused(fmt: Format) -> None:
    line = f"{fmt.encode(make_event())}\n".encode()
    with pytest.raises(EnvironmentProblem, match="in the format of this sink"):
        tail_of(line)
    with pytest.raises(EnvironmentProblem, match="in the format of this sink"):
        read_tail(io.BytesIO(WHOLE), "events.jsonl", WINDOW, starts_of(fmt))


@pytest.mark.parametrize(
    ("data", "offset"),
    [
        pytest.param(b"notes to self\n", 0, id="text"),
        pytest.param(b"x", 0, id="letter"),
        pytest.param(b"\n", 0, id="empty-line"),
        pytest.param(b'{"id": 1}\n', 0, id="other-json"),
        pytest.param(b"\x7fELF\x02\x01" + bytes(3000), 0, id="binary"),
        pytest.param(bytes(WINDOW + 1), 0, id="many-zeros"),
        pytest.param(WHOLE + b"appended by hand\n", len(WHOLE), id="text-behind"),
        pytest.param(WHOLE + b"x", len(WHOLE), id="letter-behind"),
        pytest.param(
            GOOD + LINES[3].replace(b'"new', b"new") + WHOLE, len(GOOD), id="damage-inside"
        ),
        pytest.param(GOOD + LINES[3][:-1] + WHOLE, len(GOOD), id="lost-line-end-inside"),
    ],
)
def test_what_no_crash_leaves_behind_is_refused(data: bytes, offset: int) -> None:
    with pytest.raises(EnvironmentProblem, match=rf"events\.jsonl.* byte {offset}\.") as caught:
        tail_of(data)
    assert caught.value.remedy


def test_reading_costs_no_more_than_the_window(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(WHOLE * 20_000)

    class Counting(io.FileIO):
        bytes_read = 0

        def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
            count = super().readinto(buffer) or 0
            self.bytes_read += count
            return count

    raw = Counting(path, "r")
    with io.BufferedReader(raw) as file:
        read_tail(file, str(path), WINDOW, starts_of(NATIVE))
        assert raw.bytes_read < WINDOW + 4 * 64 * 1024
