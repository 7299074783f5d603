"""The end of a file of events: which lines are whole after a crash, and which event is the last."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from typing import BinaryIO

from bridge.core.errors import EnvironmentProblem
from bridge.core.events import Position, Source, Transaction

_BLOCK_BYTES = 64 * 1024
# In every format it stands before the first value of a row, and holds the position. Results tell
# theirs by `delivery_id`, which stands before their own `event_id`.
_PLACE_ID = re.compile(rb'"(?:event_|__event_|delivery_)?id":"([0-9a-f-]{36})"')
_ID_PREFIX_CHARACTERS = 28


@dataclass(frozen=True, slots=True)
class LastEvent:
    """What the last line of a file says about its event."""

    position: Position
    id_prefix: str

    def comes_from(self, source: Source) -> bool:
        """Whether ``source`` gives this identifier to an event at this position."""
        transaction = Transaction(source, None, self.position.commit_lsn, 0)
        return transaction.id_prefix == self.id_prefix


@dataclass(frozen=True, slots=True)
class Tail:
    """What is known of the end of a file.

    Attributes:
        start: offset of the first line that was looked at.
        end: offset after the last whole event; what follows is the torn rest of a write.
        last: the last whole event; None in a file without any.
    """

    start: int
    end: int
    last: LastEvent | None


def read_tail(file: BinaryIO, path: str, window: int, line_starts: tuple[bytes, ...]) -> Tail:
    """Look at the lines of the last ``window`` bytes, and at least at one.

    What a crash leaves behind is a last line that stops somewhere, or, after a power failure,
    blocks of zeros with anything behind them. Only such a rest is ever called torn: everything
    else that is not an event was not written by us, or was damaged later, and cutting the file
    there could remove events that exist nowhere else.

    Args:
        file: a seekable file, open for reading.
        path: its name, for the error.
        window: how many bytes at the end may not have reached the disk before a crash.
        line_starts: what an event begins with in the format of the file, for each kind of event.

    Raises:
        EnvironmentProblem: the file holds something other than events of that format.
    """
    size = file.seek(0, os.SEEK_END)
    start = end = _line_start(file, max(0, size - window))
    last: bytes | None = None
    file.seek(start)
    for line in file:
        if not _is_event(line, line_starts):
            is_last = end + len(line) == size
            may_be_zeros = size - end <= window
            if not _is_torn(line, line_starts, is_last=is_last, may_be_zeros=may_be_zeros):
                raise _foreign(path, end)
            break
        last, end = line, end + len(line)
    if last is None and start > 0:
        previous = _line_start(file, start - 1)
        file.seek(previous)
        last = file.read(start - previous)
        if not _is_event(last, line_starts):
            raise _foreign(path, previous)
    return Tail(start, end, None if last is None else _position(last))


def _line_start(file: BinaryIO, at: int) -> int:
    """Return the offset of the line that byte ``at`` belongs to."""
    while at > 0:
        begin = max(0, at - _BLOCK_BYTES)
        file.seek(begin)
        found = file.read(at - begin).rfind(b"\n")
        if found >= 0:
            return begin + found + 1
        at = begin
    return 0


def _is_event(line: bytes, line_starts: tuple[bytes, ...]) -> bool:
    if not (line.startswith(line_starts) and line.endswith(b"}\n")):
        return False
    if _position(line) is None:
        return False
    try:
        # Numbers stay text: PostgreSQL has longer ones than int() reads.
        json.loads(line, parse_int=str, parse_float=str)
    except RecursionError:
        return True  # a document of the row is nested deeper than Python's parser goes
    except ValueError:
        return False
    return True


def _is_torn(
    line: bytes, line_starts: tuple[bytes, ...], *, is_last: bool, may_be_zeros: bool
) -> bool:
    written, _, zeros = line.partition(b"\0")
    if not written:
        return may_be_zeros
    begins = any(written.startswith(s) or s.startswith(written) for s in line_starts)
    return (is_last or bool(zeros)) and begins


def _position(line: bytes) -> LastEvent | None:
    found = _PLACE_ID.search(line)
    if found is None:
        return None
    event_id = found[1].decode()
    try:
        position = Position.of_event_id(event_id)
    except ValueError:
        return None
    return LastEvent(position, event_id[:_ID_PREFIX_CHARACTERS])


def _foreign(path: str, offset: int) -> EnvironmentProblem:
    return EnvironmentProblem(
        f"{path!r} holds something other than events in the format of this sink: see the line at "
        f"byte {offset}.",
        remedy="Choose another path, or move the file away.",
    )
