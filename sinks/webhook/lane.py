"""One lane: a thread that delivers what is put into it, in that order."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from threading import Condition, Thread

from sinks.base import Rejection
from sinks.webhook.config import BatchConfig
from sinks.webhook.connection import Connection
from sinks.webhook.delivery import Closing, Delivery
from sinks.webhook.request import Item


class Lane:
    """A queue and the thread that empties it. An event stays in the queue until it is settled.

    Args:
        name: of the thread.
        delivery: used by the thread alone.
        connection: of the delivery.
        batch: how much goes into one request; None for one event.
        progressed: called after every settlement.
        failed: called with the error that ended the thread.
    """

    def __init__(
        self,
        name: str,
        delivery: Delivery,
        connection: Connection,
        batch: BatchConfig | None,
        *,
        progressed: Callable[[], None],
        failed: Callable[[Exception], None],
    ) -> None:
        self._delivery = delivery
        self._connection = connection
        self._batch = batch
        self._progressed = progressed
        self._failed = failed
        self._queue: deque[Item] = deque()
        self._bytes = 0
        self._rejections: deque[tuple[int, Rejection]] = deque()
        self._changed = Condition()
        self._arrivals: deque[tuple[int, float]] = deque()  # last number of a put, and its time
        self._hurry = False
        self._closed = False
        self._thread = Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def oldest(self) -> int | None:
        """Number of the first event that is not settled; None if there is none."""
        try:
            return self._queue[0][0]
        except IndexError:
            return None

    @property
    def waiting_events(self) -> int:
        return len(self._queue)

    @property
    def waiting_bytes(self) -> int:
        return self._bytes

    def put(self, items: Sequence[Item]) -> None:
        """Add events, to be delivered after those that are there."""
        with self._changed:
            if self._batch is not None:
                self._arrivals.append((items[-1][0], time.monotonic()))
            self._queue.extend(items)
            self._bytes += sum([len(text) for _, _, text in items])
            self._hurry = False
            self._changed.notify()

    def hurry(self) -> None:
        """Wait for no further events before sending those that are there."""
        with self._changed:
            self._hurry = True
            self._changed.notify()

    def refused_before(self, number: int) -> list[tuple[int, Rejection]]:
        """Take out the refused events with a smaller number."""
        found = []
        while self._rejections and self._rejections[0][0] < number:
            found.append(self._rejections.popleft())
        return found

    def end(self) -> None:
        """Ask the thread to end, whatever it is doing. Returns at once."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._connection.abort()

    def join(self, timeout_s: float) -> None:
        """Wait for the end of the thread."""
        self._thread.join(timeout_s)

    def _run(self) -> None:
        try:
            while items := self._next():
                self._delivery.deliver(items, self._settle)
        except Closing:
            pass
        except Exception as error:  # the worker stops the bridge with it
            if not self._closed:  # or it would be taken for a failure of the next session
                self._failed(error)
        finally:
            self._connection.close()

    def _next(self) -> list[Item]:
        """Wait for the events of the next request; none at the end."""
        with self._changed:
            while not self._closed:
                if self._queue:
                    wait = self._wait_for_more()
                    if wait <= 0:
                        return self._take()
                    self._changed.wait(wait)
                else:
                    self._changed.wait()
        return []

    def _wait_for_more(self) -> float:
        """Return for how many seconds further events may be waited for."""
        batch = self._batch
        if (
            batch is None
            or self._hurry
            or len(self._queue) >= batch.max_events
            or self._bytes >= batch.max_bytes
        ):
            return 0.0
        _, arrived = self._arrivals[0]
        return arrived + batch.max_delay_ms / 1000 - time.monotonic()

    def _take(self) -> list[Item]:
        queue, batch = self._queue, self._batch
        if batch is None:
            return [queue[0]]
        items: list[Item] = []
        size = 0
        for item in queue:
            size += len(item[2]) + 1
            if items and (size > batch.max_bytes or len(items) == batch.max_events):
                break
            items.append(item)
        return items

    def _settle(self, count: int, rejections: Sequence[Rejection]) -> None:
        with self._changed:
            # The refusals first: who sees that an event is settled finds its refusal.
            if rejections:
                refused = {rejection.position: rejection for rejection in rejections}
                for i in range(count):
                    number, event, _ = self._queue[i]
                    rejection = refused.get(event.position)
                    if rejection is not None:
                        self._rejections.append((number, rejection))
            popleft = self._queue.popleft
            for _ in range(count):
                self._bytes -= len(popleft()[2])
            arrivals, oldest = self._arrivals, self.oldest
            while arrivals and (oldest is None or arrivals[0][0] < oldest):
                arrivals.popleft()
        self._progressed()
