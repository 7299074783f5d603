"""The batches that wait for one sink: in memory up to a bound, then on disk up to a bound."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Condition

from bridge.core.events import EventBatch
from bridge.runtime.spool import Spool


@dataclass(frozen=True, slots=True, kw_only=True)
class BacklogLimits:
    """The bounds of a backlog.

    Attributes:
        max_events: events in memory, those that the sink has not confirmed included.
        max_bytes: their size on the wire.
        spool_bytes: size of the spool on disk; 0 for none.
    """

    max_events: int
    max_bytes: int
    spool_bytes: int


class Backlog:
    """A bounded queue between the thread that reads and the thread that writes.

    ``put`` never blocks and never refuses: a batch that was read must not be lost. Instead
    ``congested`` and ``full`` tell the reader to stop reading, so that the bounds are exceeded by
    one batch at most.

    Args:
        limits: the bounds.
        directory: where the spool is made.
        room: called when a congested memory is half empty again.
    """

    def __init__(
        self, limits: BacklogLimits, directory: Path, room: Callable[[], None] = lambda: None
    ) -> None:
        self._limits = limits
        self._room = room
        self._was_congested = False
        self._spool = Spool(directory, limits.spool_bytes)
        self._queue: deque[EventBatch] = deque()
        self._refused: deque[EventBatch] = deque()  # what the disk did not take: after the spool
        self._events = 0
        self._bytes = 0
        self._changed = Condition()

    @property
    def congested(self) -> bool:
        """Whether the memory is full: the next batch goes to the spool."""
        return bool(self._refused) or self._memory_full()

    @property
    def full(self) -> bool:
        """Whether the spool is full too, or the disk takes no more."""
        return bool(self._refused) or (self._memory_full() and self._spool.full)

    @property
    def relieved(self) -> bool:
        """Whether memory has room and nothing is left on disk: worth connecting again."""
        return not (self.congested or len(self._spool))

    @property
    def events(self) -> int:
        """Events in memory, those not yet confirmed by the sink included."""
        return self._events

    @property
    def spooled_bytes(self) -> int:
        """Bytes on disk."""
        return self._spool.size_bytes

    @property
    def empty(self) -> bool:
        """Whether nothing waits to be taken."""
        return not (self._queue or len(self._spool) or self._refused)

    def put(self, batch: EventBatch) -> None:
        """Add a batch at the end."""
        with self._changed:
            # Once something is on disk everything goes there, or the order would be lost.
            to_disk = len(self._spool) > 0 or (self._memory_full() and not self._spool.full)
            if self._refused or (to_disk and not self._spool.append(batch)):
                self._refused.append(batch)
            elif not to_disk:
                self._queue.append(batch)
                self._count(batch, 1)
            self._changed.notify()

    def take(self, timeout_s: float) -> list[EventBatch]:
        """Take all that is in memory, waiting at most ``timeout_s`` seconds for something.

        What was taken counts towards the bounds until it is ``release``d.
        """
        with self._changed:
            if self.empty and timeout_s > 0:
                self._changed.wait(timeout_s)
            self._refill()
            taken = list(self._queue)
            self._queue.clear()
            return taken

    def release(self, batch: EventBatch) -> None:
        """Forget a batch that was taken: the sink has it durably."""
        with self._changed:
            self._was_congested = self._was_congested or self._memory_full()
            self._count(batch, -1)
            if not self._was_congested or self._memory_full(share=2):
                return
            self._was_congested = False
        self._room()

    def wake(self) -> None:
        """End the wait of ``take`` now."""
        with self._changed:
            self._changed.notify()

    def close(self) -> None:
        """Remove what is on disk."""
        self._spool.close()

    def _refill(self) -> None:
        """Bring batches back from disk as far as memory allows."""
        while not self._memory_full():
            batch = self._spool.pop()
            if batch is None:
                if not self._refused:
                    return
                batch = self._refused.popleft()
            self._queue.append(batch)
            self._count(batch, 1)

    def _count(self, batch: EventBatch, sign: int) -> None:
        self._events += sign * len(batch)
        self._bytes += sign * batch.size_bytes

    def _memory_full(self, share: int = 1) -> bool:
        limits = self._limits
        events, size_bytes = limits.max_events // share, limits.max_bytes // share
        return self._events >= events or self._bytes >= size_bytes
