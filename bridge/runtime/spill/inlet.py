"""The end of a spill at which the stream comes in: a sink that is durable by fsync."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Lock
from typing import Protocol

from bridge.core.events import (
    GAP_ORDINAL,
    NON_TRANSACTIONAL,
    EventBatch,
    Position,
    Source,
)
from bridge.core.lsn import Lsn
from bridge.runtime.gap import gap_event
from bridge.runtime.spill.log import Spill
from sinks.base import Feed, Progress

_RECORD_BYTES = 4 * 1024 * 1024
"""Small batches go into one record up to this size: the relations stand in it once."""


class OpenGap(Protocol):
    """What the bridge remembers of a gap that is not over. Calls return when all is on disk."""

    def begin(self, since: Position | None, why: str) -> None:
        """Note that events after ``since`` are missing, and pause the sink."""

    def end(self) -> None:
        """Note that the sink will be told."""


class Inlet:
    """Takes what is for one optional sink, and never makes the stream wait for it.

    What the spill has no room for is missed. From the first such event on the sink is paused and
    everything is missed, until it was resumed and has emptied half of the spill; then a message
    names the gap, behind the transaction that is missing last.

    Args:
        spill: where the events go.
        gap: what is remembered of a gap.
        since: last event before a gap that is open from an earlier run.
        in_gap: whether there is one.
        until: up to where events are settled, held or missed, as far as the checkpoint knows.
        may_go_on: whether the sink is not paused.
        clock: seconds since the Unix epoch.
    """

    def __init__(
        self,
        spill: Spill,
        gap: OpenGap,
        *,
        in_gap: bool,
        since: Position | None,
        until: Position | None,
        may_go_on: Callable[[], bool],
        clock: Callable[[], float],
    ) -> None:
        self._spill = spill
        self._gap = gap
        self._in_gap = in_gap
        self._since = since
        self._until = until or since
        self._may_go_on = may_go_on
        self._clock = clock
        self._guard = Lock()
        self._source: Source | None = None
        self._committed: Lsn = 0
        self._pending: list[EventBatch] = []
        self._durable: Position | None = None

    # The sink

    def open(self, feed: Feed) -> Position | None:
        """See ``sinks.base.Sink``."""
        self._source = feed.source
        self._durable = None
        self._pending = []
        last = self._spill.last
        if self._in_gap and last is not None and (self._since is None or last > self._since):
            self._gap.end()  # it was told, and the process died before it noted that
            self._in_gap = False
        # The message of a gap stands where no event of the stream can be.
        return None if last is None or last.ordinal == GAP_ORDINAL else last

    def write(self, batch: EventBatch) -> None:
        """See ``sinks.base.Sink``."""
        self._pending.append(batch)

    def poll(self) -> Progress:
        """See ``sinks.base.Sink``; takes one fsync."""
        batches, self._pending = self._pending, []
        if batches:
            with self._guard:
                self._take_in(batches)
            self._durable = batches[-1].last
        return Progress(self._durable)

    def flush(self, timeout: float) -> Progress:
        """See ``sinks.base.Sink``."""
        return self.poll()

    def close(self) -> None:
        """See ``sinks.base.Sink``; the spill stays open for the other end."""
        self._pending = []

    # Gaps

    def tend(self) -> None:
        """End a gap that can be ended, without waiting for the next event. From any thread."""
        with self._guard:
            until = self._until
            if (
                self._in_gap
                and self._source is not None
                and until is not None
                and until.commit_lsn <= self._committed
                and until.ordinal != NON_TRANSACTIONAL  # a transaction may begin where it ends
                and self._goes_on(0)
            ):
                self._end_gap([])

    def _take_in(self, batches: Sequence[EventBatch]) -> None:
        """Append what there is room for; return when it is durable, or noted as missed."""
        stored: list[EventBatch] = []
        size = 0
        for batch in batches:
            if batch.commits:
                self._committed = batch.commits[-1].commit_lsn
            rest = batch if self._spill.last is None else batch.after(self._spill.last)
            if self._in_gap:
                rest = self._skip(rest)
                if rest.events:
                    self._end_gap([rest])
            elif self._spill.has_room_for(size + rest.size_bytes):
                if rest.events:
                    stored.append(rest)
                    size += rest.size_bytes
            else:
                self._store(stored)
                stored, size = [], 0
                self._miss(rest.last, "the spill is full")
        self._store(stored)

    def _skip(self, batch: EventBatch) -> EventBatch:
        """Return what comes behind the gap: nothing, or whole transactions."""
        if not batch.events:
            return batch
        until = self._until
        if until is None or not self._goes_on(batch.size_bytes):
            self._until = batch.last
        else:
            for event in batch.events:
                if event.commit_lsn != until.commit_lsn:
                    break
                self._until = event.position
        assert self._until is not None
        return batch.after(self._until)

    def _goes_on(self, size_bytes: int) -> bool:
        room = self._spill.half_empty and self._spill.has_room_for(size_bytes)
        return room and self._may_go_on()

    def _store(self, batches: Sequence[EventBatch]) -> None:
        if batches and self._append(batches):
            self._spill.publish()

    def _end_gap(self, batches: Sequence[EventBatch]) -> None:
        """Append the message and what comes behind the gap."""
        message = self._message()
        if self._append(batches if message is None else [message, *batches]):
            self._gap.end()
            self._in_gap = False
            self._spill.publish()

    def _append(self, batches: Sequence[EventBatch]) -> bool:
        records = _records(batches)
        try:
            if records:
                self._spill.append(records)
        except OSError as error:
            self._miss(records[-1].last, f"its disk reports: {error.strerror}")
            return False
        return True

    def _miss(self, until: Position, why: str) -> None:
        if not self._in_gap:
            self._since = self._spill.last or self._until
            self._gap.begin(self._since, why)
            self._in_gap = True
        if until.ordinal != GAP_ORDINAL:
            self._until = until

    def _message(self) -> EventBatch | None:
        since, until = self._since, self._until
        if until is None or (since is not None and until <= since):
            return None  # nothing was missed after all
        assert self._source is not None
        position = Position(until.commit_lsn, GAP_ORDINAL)
        event = gap_event(
            self._source,
            position,
            since=None if since is None else str(since),
            until=str(until),
            now=self._clock(),
        )
        return EventBatch([event])


def _records(batches: Sequence[EventBatch]) -> list[EventBatch]:
    """Join neighbours, so that a relation stands in few records."""
    joined: list[EventBatch] = []
    for batch in batches:
        if joined and joined[-1].size_bytes + batch.size_bytes <= _RECORD_BYTES:
            before = joined[-1]
            joined[-1] = EventBatch(
                before.events + batch.events,
                (*before.commits, *batch.commits),
                before.size_bytes + batch.size_bytes,
            )
        else:
            joined.append(batch)
    return joined
