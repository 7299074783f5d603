"""The spill: batches on disk, appended by one thread and taken by another, first in, first out."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from io import FileIO
from pathlib import Path
from threading import Condition
from typing import NamedTuple

import structlog

from bridge.core.events import EventBatch, Position
from bridge.runtime.backlog import BacklogLimits
from bridge.runtime.spill.segments import (
    Place,
    Record,
    Segment,
    Waiting,
    content_is_whole,
    create,
    damaged,
    pack_record,
    read_batch,
    records_of,
    segments_in,
    sync_directory,
    write_all,
)
from bridge.runtime.worker import NewHistory

log = structlog.get_logger()

_SEGMENT_BYTES = 16 * 1024 * 1024
_MIN_SEGMENT_BYTES = 16 * 1024
_SEGMENTS = 8


class _Taken(NamedTuple):
    batch: EventBatch
    end: Place
    disk_bytes: int


class Spill:
    """A bounded queue of batches that outlives the process.

    One thread appends and publishes, another takes and releases. What was appended before a crash
    is there afterwards; what the crash has torn is cut off. While the second thread keeps up it
    gets the very batches that were appended, and the disk is only written.

    Args:
        directory: for the segments; made if need be, readable by its owner only.
        limit_bytes: on disk, beyond which the spill is full.
        memory: bounds of what was taken and not released, and likewise of what is kept to be
            taken.
        delivered: position up to which what is found on disk is not needed any more.
        forget: called when the positions of the batches start over, before those of the old
            history are deleted.

    Raises:
        EnvironmentProblem: a file is damaged.
        OSError: the directory cannot be used.
    """

    def __init__(
        self,
        directory: Path,
        *,
        limit_bytes: int,
        memory: BacklogLimits,
        delivered: Position | None = None,
        forget: Callable[[], None] = lambda: None,
    ) -> None:
        self._directory = directory
        self._limit_bytes = limit_bytes
        self._segment_bytes = max(_MIN_SEGMENT_BYTES, min(_SEGMENT_BYTES, limit_bytes // _SEGMENTS))
        self._memory = memory
        self._forget = forget
        self._changed = Condition()
        self._stopped = False
        # The appending thread's:
        self._writer: FileIO
        self._appended: list[tuple[Place, Place, EventBatch]] = []
        self.last: Position | None = None
        """Position of the last event of this history, as far as it is still on disk."""
        # The taking thread's:
        self.delivered = delivered
        """As it was given, if it belongs to the history of what is taken first; else None."""
        self._file: FileIO | None = None
        self._file_number = 0
        self._taken: deque[_Taken] = deque()
        self._taken_events = 0
        self._taken_bytes = 0
        # Shared, under the lock:
        self._segments: deque[Segment] = deque()
        self._kept: deque[tuple[Place, Place, EventBatch]] = deque()
        self._kept_events = 0
        self._kept_bytes = 0
        self._read_at = self._published_at = self._write_at = Place(0, 0)
        self._waiting_events = 0
        self._waiting_bytes = 0
        self._disk_bytes = 0

        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._load()

    # Both threads

    @property
    def waiting(self) -> Waiting:
        """What was published and not released."""
        with self._changed:
            return Waiting(self._waiting_events, self._waiting_bytes)

    @property
    def disk_bytes(self) -> int:
        """Size of the files."""
        return self._disk_bytes

    def has_room_for(self, size_bytes: int) -> bool:
        """Whether so much more stays within the bound; an empty spill takes anything."""
        return not self._waiting_bytes or self._disk_bytes + size_bytes < self._limit_bytes

    @property
    def half_empty(self) -> bool:
        """Whether there is room again to speak of."""
        return self._disk_bytes <= self._limit_bytes // 2

    def close(self) -> None:
        """Close the files; they stay."""
        self._writer.close()
        if self._file is not None:
            self._file.close()

    # The thread that appends

    def append(self, batches: Sequence[EventBatch]) -> None:
        """Add batches at the end; return when they are durable. None of them may be empty.

        Raises:
            OSError: the disk does not take them; nothing was added.
        """
        before = self._write_at
        size = before.offset
        records = [pack_record(batch) for batch in batches]
        try:
            write_all(self._writer.fileno(), b"".join(records))
            os.fdatasync(self._writer.fileno())
        except OSError:
            self._cut(before.offset)
            raise
        for batch, record in zip(batches, records, strict=True):
            begin, size = size, size + len(record)
            self._appended.append(
                (Place(before.segment, begin), Place(before.segment, size), batch)
            )
        self._write_at = Place(before.segment, size)
        with self._changed:
            self._disk_bytes += size - before.offset
        self.last = batches[-1].last

    def publish(self) -> None:
        """Let what was appended be taken."""
        with self._changed:
            for begin, end, batch in self._appended:
                self._waiting_events += len(batch)
                self._waiting_bytes += end.offset - begin.offset
                caught_up = bool(self._kept) or self._read_at == begin
                if caught_up and not self._kept_enough():
                    self._kept.append((begin, end, batch))
                    self._kept_events += len(batch)
                    self._kept_bytes += batch.size_bytes
                self._published_at = end
            self._appended.clear()
            self._changed.notify()
        if self._write_at.offset >= self._segment_bytes:
            with suppress(OSError):  # on a full disk this segment grows on
                self._rotate()

    def begin_history(self) -> None:
        """Let positions start over. To be called before both threads start.

        What waits is still delivered, with the positions that it has.
        """
        self.last = None
        if self._waiting_events:
            self._rotate(begins_history=True)
        else:
            self._forget()
            self.delivered = None
            self._rotate()
            self._settle_at(self._published_at)

    # The thread that takes

    @property
    def empty(self) -> bool:
        """Whether nothing waits to be taken, or nothing is to be taken any more."""
        return self._stopped or self._read_at == self._published_at

    def take(self, timeout_s: float) -> list[EventBatch]:
        """Take what memory has room for, waiting at most ``timeout_s`` seconds for something.

        Raises:
            NewHistory: everything before is released; positions start over.
            EnvironmentProblem: a file is damaged.
        """
        with self._changed:
            if self.empty and timeout_s > 0:
                self._changed.wait(timeout_s)
        found: list[EventBatch] = []
        while not self.empty and not self._taken_enough():
            taken = self._next()
            if taken is None:
                break
            self._taken.append(taken)
            self._taken_events += len(taken.batch)
            self._taken_bytes += taken.batch.size_bytes
            found.append(taken.batch)
        if not found and not self.empty:
            with self._changed:  # what was taken has to be released first
                self._changed.wait(timeout_s)
        return found

    def release(self, batch: EventBatch) -> None:
        """Forget the oldest batch that was taken: the sink has it durably."""
        taken = self._taken.popleft()
        assert taken.batch is batch, "released in another order than taken"
        self._taken_events -= len(batch)
        self._taken_bytes -= batch.size_bytes
        with self._changed:
            self._waiting_events -= len(batch)
            self._waiting_bytes -= taken.disk_bytes
        self._settle_at(taken.end)

    def wake(self) -> None:
        """End the wait of ``take`` now."""
        with self._changed:
            self._changed.notify()

    def stop(self) -> None:
        """Let nothing more be taken: what waits stays on disk."""
        self._stopped = True
        self.wake()

    # Inside

    def _taken_enough(self) -> bool:
        memory = self._memory
        return self._taken_events >= memory.max_events or self._taken_bytes >= memory.max_bytes

    def _kept_enough(self) -> bool:
        memory = self._memory
        return self._kept_events >= memory.max_events or self._kept_bytes >= memory.max_bytes

    def _next(self) -> _Taken | None:
        """Return the batch at the reading place; None if it has to wait."""
        with self._changed:
            place = self._read_at
            if self._kept and self._kept[0][0] == place:
                begin, end, batch = self._kept.popleft()
                self._kept_events -= len(batch)
                self._kept_bytes -= batch.size_bytes
                self._read_at = end
                return _Taken(batch, end, end.offset - begin.offset)
            following = next((s for s in self._segments if s.number > place.segment), None)
        file = self._open(place.segment)
        record = next(records_of(file, place.offset), None)
        if record is None and following is None:
            raise damaged(Path(str(file.name)), place.offset)
        if record is None:
            assert following is not None
            return self._enter(following)
        end = Place(place.segment, record.end)
        with self._changed:
            self._read_at = end
        return _Taken(read_batch(file, record), end, record.end - record.offset)

    def _enter(self, segment: Segment) -> _Taken | None:
        """Go on with the next segment."""
        if segment.begins_history and self._taken:
            return None  # until all of the old history is durable
        start = Place(segment.number, 0)
        if segment.begins_history:
            self._forget()
        with self._changed:
            self._read_at = start
        if not self._taken:
            self._settle_at(start)
        if segment.begins_history:
            raise NewHistory
        return None if self.empty else self._next()

    def _open(self, number: int) -> FileIO:
        if self._file is None or self._file_number != number:
            if self._file is not None:
                self._file.close()
            segment = next(s for s in self._segments if s.number == number)
            self._file, self._file_number = segment.path.open("rb", buffering=0), number
        return self._file

    def _settle_at(self, place: Place) -> None:
        """Delete the segments of which nothing is needed any more."""
        while True:
            with self._changed:
                if self._segments[0].number >= place.segment:
                    return
                segment = self._segments.popleft()
                self._disk_bytes -= segment.path.stat().st_size
            segment.path.unlink()

    def _rotate(self, *, begins_history: bool = False) -> None:
        """Begin a new segment."""
        segment = Segment.at(
            self._directory, self._write_at.segment + 1, begins_history=begins_history
        )
        created = create(segment.path)
        sync_directory(self._directory)
        self._writer.close()
        self._writer = created
        self._write_at = Place(segment.number, 0)
        with self._changed:
            self._segments.append(segment)
            if self._read_at == self._published_at and not begins_history:
                self._read_at = self._write_at
            self._published_at = self._write_at

    def _load(self) -> None:
        """Find what is there, and cut off what is torn."""
        found = segments_in(self._directory)
        if not found:
            found = [Segment.at(self._directory, 1)]
            create(found[0].path).close()
            sync_directory(self._directory)
        begin: Place | None = None
        for segment in found:
            if segment.begins_history and segment is not found[0]:
                self.last = None
                if begin is None:
                    self._forget()
                    self.delivered = None
            for record in _whole_records(segment, may_be_torn=segment is found[-1]):
                self.last = record.last
                if begin is None:
                    if self.delivered is not None and record.last <= self.delivered:
                        continue
                    begin = Place(segment.number, record.offset)
                self._waiting_events += record.events
                self._waiting_bytes += record.end - record.offset
            self._disk_bytes += segment.path.stat().st_size
        self._segments.extend(found)
        self._writer = found[-1].path.open("ab", buffering=0)
        os.fsync(self._writer.fileno())
        end = Place(found[-1].number, found[-1].path.stat().st_size)
        self._write_at = self._published_at = end
        self._read_at = end if begin is None else begin
        self._settle_at(self._read_at)

    def _cut(self, offset: int) -> None:
        try:
            os.ftruncate(self._writer.fileno(), offset)
        except OSError:
            return  # what is torn is cut off at the next start


def _whole_records(segment: Segment, *, may_be_torn: bool) -> list[Record]:
    """Return the records of a segment, without what a crash has torn, which is cut off."""
    whole: list[Record] = []
    with segment.path.open("rb", buffering=0) as file:
        for record in records_of(file):
            if may_be_torn and not content_is_whole(file, record):
                break
            whole.append(record)
    end = whole[-1].end if whole else 0
    excess = segment.path.stat().st_size - end
    if excess:
        if not may_be_torn:
            raise damaged(segment.path, end)
        log.warning("spill_repaired", path=str(segment.path), cut_bytes=excess)
        os.truncate(segment.path, end)
    return whole
