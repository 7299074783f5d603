"""The results that wait in the store for one sink, as batches for the sink's worker."""

from __future__ import annotations

from threading import Condition

import structlog

from bridge.core.errors import Transient
from bridge.core.events import CdcEvent, EventBatch, Source
from bridge.core.result_event import ResultEvent
from bridge.processing.state.results import Result
from bridge.processing.state.store import StateStore

log = structlog.get_logger()

_PAGE = 500
"""Results that are read at once."""

_MAX_TAKEN = 2_000
"""Results in memory, those that the sink has not confirmed included."""


class Outbox:
    """Reads on as far as the sink confirms, so that memory is bounded, and the store is not.

    Args:
        store: with the results.
        sink: name of the sink.
        source: what the results come from, for the sink: the identity of the store.
        delivered: number of the last result that the sink holds.
        committed: number of the last result in the store.
    """

    def __init__(
        self,
        store: StateStore,
        sink: str,
        source: Source,
        *,
        delivered: int,
        committed: int,
    ) -> None:
        self._store = store
        self._sink = sink
        self._source = source
        self._read_to = max(0, delivered)
        self._settled = self._read_to
        self._committed = committed
        self._taken = 0
        self._changed = Condition()

    @property
    def empty(self) -> bool:
        """Whether nothing waits to be taken."""
        return self._read_to >= self._committed

    @property
    def delivered(self) -> int:
        """Number up to which the sink holds all of its results."""
        with self._changed:
            return self._settled if self._taken else self._read_to

    def committed(self, sequence: int) -> None:
        """Take note that the store has results up to this number. From any thread."""
        with self._changed:
            self._committed = sequence
            self._changed.notify()

    def settled(self, sequence: int) -> None:
        """Take note that the sink holds its results up to this number."""
        with self._changed:
            self._settled = max(self._settled, sequence)

    def take(self, timeout_s: float) -> list[EventBatch]:
        """Take the next page, waiting at most ``timeout_s`` seconds for something."""
        with self._changed:
            if self._blocked and timeout_s > 0:
                self._changed.wait(timeout_s)
            if self._blocked:
                return []
            after, until = self._read_to, self._committed
        try:
            page = self._store.results(self._sink, after, _PAGE)
        except Transient as error:
            log.warning("results_unreadable", sink=self._sink, error=error.message)
            with self._changed:
                self._changed.wait(timeout_s)
            return []
        events: list[CdcEvent] = [self._event(sequence, result) for sequence, result in page]
        with self._changed:
            # What was committed while the page was read may or may not be in it.
            last = page[-1][0] if page else until
            self._read_to = last if len(page) == _PAGE else max(last, until)
            self._taken += len(page)
        if not page:
            return []
        return [EventBatch(events, (), sum(len(result.members) for _, result in page))]

    def release(self, batch: EventBatch) -> None:
        """Forget a batch that was taken, the oldest first: the sink has it durably."""
        with self._changed:
            self._taken -= len(batch)
            self._settled = max(self._settled, batch.last.commit_lsn)

    def wake(self) -> None:
        """End the wait of ``take`` now."""
        with self._changed:
            self._changed.notify()

    @property
    def _blocked(self) -> bool:
        return self.empty or self._taken >= _MAX_TAKEN

    def _event(self, sequence: int, result: Result) -> ResultEvent:
        return ResultEvent.of(
            self._source,
            sequence,
            id=result.id,
            type=result.type,
            processor=result.processor,
            timestamp=result.timestamp,
            row_id=result.row_id,
            members=result.members,
        )
