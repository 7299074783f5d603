"""One sink, one thread: takes batches from the backlog, writes them, reports what is durable."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from threading import Event, Thread
from typing import Generic, Protocol, TypeVar

import structlog

from bridge.core.errors import (
    BridgeError,
    DeliveryGivenUp,
    GapDetected,
    InvariantViolated,
    Transient,
)
from bridge.core.events import CdcEvent, EventBatch, Position
from bridge.core.lsn import Lsn, format_lsn
from bridge.core.selection import Selection
from bridge.runtime.retry import Backoff
from bridge.runtime.sieve import Sieve
from sinks.base import Feed, Progress, Sink

log = structlog.get_logger()

_IDLE_WAIT_S = 0.5
_BUSY_WAIT_S = 0.005
_SETTLE_S = 2.0
"""How long a sink that is to be paused may take for what it was given."""


class NewHistory(Exception):
    """The batches that follow belong to another history of the database: positions start over."""


class Batches(Protocol):
    """Where a worker takes its batches from: a backlog, or the spill of an optional sink."""

    @property
    def empty(self) -> bool:
        """Whether nothing waits to be taken."""

    def take(self, timeout_s: float) -> list[EventBatch]:
        """Take what there is, waiting at most so long for something.

        Raises:
            NewHistory: everything before is released; to be raised once.
        """

    def release(self, batch: EventBatch) -> None:
        """Forget a batch that was taken, the oldest first: the sink has it durably."""

    def wake(self) -> None:
        """End the wait of ``take`` now."""


B = TypeVar("B", bound=Batches)


class DeadLetters(Protocol):
    """Where events go that a sink can never accept."""

    def park(self, sink: str, event: CdcEvent, reason: str, attempts: int) -> None:
        """Store the event; return when it is durable."""


class SinkWorker(Generic[B]):
    """Drives one sink.

    Args:
        feed: what it delivers, and the name of the sink.
        sink: driven by this worker's thread alone.
        backlog: where the batches come from.
        resume: position up to which the sink holds the events, as far as the checkpoint knows.
        horizon: where the server's WAL ends: no sink can hold events beyond it. None to ignore
            what the sink claims to hold: it may come from another history of the database.
        backoff: how long to wait after the n-th failure in a row.
        dead_letters: where rejected events go; None to stop at the first one.
        durable: called with the name and the position whenever it advances.
        failed: called once, with the error, if the worker cannot go on.
        selection: what the sink gets of each batch; None for everything.
        paused: whether it waits for ``resume`` before it opens the sink.
        thread: name of the thread; ``sink-`` and the name of the sink by default.
        give_up: called with an error that waiting does not mend; the worker is paused then. None
            to end with ``failed``.
    """

    def __init__(
        self,
        feed: Feed,
        sink: Sink,
        backlog: B,
        *,
        resume: Position | None,
        horizon: Lsn | None,
        backoff: Backoff,
        dead_letters: DeadLetters | None,
        durable: Callable[[str, Position], None],
        failed: Callable[[Exception], None],
        selection: Selection | None = None,
        paused: bool = False,
        thread: str | None = None,
        give_up: Callable[[BridgeError], None] | None = None,
    ) -> None:
        self.name = feed.name
        self._feed = feed
        self.backlog = backlog
        self._sink = sink
        self._durable = resume
        self._horizon = horizon
        self._backoff = backoff
        self._dead_letters = dead_letters
        self._report_durable = durable
        self._report_failure = failed
        self._give_up = give_up
        self._sieve = Sieve(selection, self._park)
        self._unsettled: deque[EventBatch] = deque()
        self._attempts = 0
        self.paused = paused
        """Whether the sink is given nothing, or soon will be."""
        self._draining = False
        self._aborting = False
        self._called = Event()
        self._log = log.bind(sink=feed.name)
        self._thread = Thread(target=self._run, name=thread or f"sink-{feed.name}", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    @property
    def idle(self) -> bool:
        """Whether everything that was put into the backlog is durable."""
        return self.backlog.empty and not self._unsettled

    @property
    def ended(self) -> bool:
        """Whether nothing more is to be expected: all is durable, or the thread is gone."""
        return self.idle or not self._thread.is_alive()

    def pause(self) -> None:
        """Give the sink nothing more until ``resume``, and close it. Returns at once."""
        self.paused = True
        self._call()

    def resume(self) -> None:
        """Go on after ``pause``; while the sink is failing, try it again now."""
        self.paused = False
        self._call()

    def drain(self) -> None:
        """Finish what is in the backlog, then end; a paused sink ends now. Returns at once."""
        self._draining = True
        self._call()

    def join(self, timeout_s: float) -> bool:
        """Wait for the end; after ``timeout_s`` seconds give up what is unsettled.

        Returns:
            Whether everything became durable.
        """
        self._thread.join(timeout_s)
        self._aborting = True
        self._call()
        self._thread.join(1.0)
        return self.idle

    def _call(self) -> None:
        """End every wait of the thread, so that it looks at its flags."""
        self._called.set()
        self.backlog.wake()

    def _run(self) -> None:
        try:
            while not self._aborting:
                if self.paused:
                    if self._draining:
                        return
                    self._wait(_IDLE_WAIT_S)
                elif self._attempt():
                    return
        except Exception as error:  # a fault of the sink must not go unseen: it stops the bridge
            self._report_failure(error)
        finally:
            self._sink.close()

    def _attempt(self) -> bool:
        """Run a session. Returns whether it was the last one, by order and not by an error."""
        try:
            self._session()
            if not self.paused:
                return True
            self._sink.close()
        except Transient as error:
            try:
                self._back_off(error)
            except DeliveryGivenUp as given_up:
                self._stop_at(given_up)
        except NewHistory:
            self._sink.close()
            self._durable = self._horizon = None
        except BridgeError as error:
            self._stop_at(error)
        return False

    def _stop_at(self, error: BridgeError) -> None:
        if self._give_up is None:
            raise error
        self._sink.close()
        self._backoff.reset()
        self._give_up(error)
        self.paused = True

    def _back_off(self, error: Transient) -> None:
        self._sink.close()
        self._attempts += 1
        delay = self._backoff.next_delay()
        if delay is None:
            raise DeliveryGivenUp(
                f"Sink {self.name!r} did not recover within what retry allows: {error.message}",
                remedy=error.remedy,
            ) from error
        self._log.warning(
            "sink_retry", error=error.message, attempt=self._attempts, delay_s=round(delay, 3)
        )
        self._wait(delay)

    def _wait(self, seconds: float) -> None:
        """Wait, at most until somebody calls."""
        self._called.wait(seconds)
        self._called.clear()

    def _session(self) -> None:
        """Write until told to end or to pause, or until an error."""
        self._resume_from(self._sink.open(self._feed))
        self._sieve.restart()
        for batch in self._unsettled:
            self._write(batch)
        while not self._aborting:
            if self.paused:
                if self._unsettled:
                    self._settle(self._sink.flush(_SETTLE_S))
                return
            if self._draining and self.idle:
                return
            batches = self.backlog.take(_BUSY_WAIT_S if self._unsettled else _IDLE_WAIT_S)
            self._unsettled.extend(batches)  # all of them, before a write can fail
            for batch in batches:
                self._write(batch)
            if self._unsettled:
                self._settle(self._sink.poll())

    def _resume_from(self, held: Position | None) -> None:
        if held is None or self._horizon is None:
            return
        if self._durable is not None and held <= self._durable:
            return
        # The horizon is that of the start; what the sink was given since then lies beyond it.
        given = self._unsettled[-1].last.commit_lsn if self._unsettled else self._horizon
        if held.commit_lsn > max(given, self._horizon):
            raise GapDetected(
                f"Sink {self.name!r} already holds events up to {held}, beyond "
                f"{format_lsn(self._horizon)}, where what it is fed with ends.",
                remedy="The server, or the store of results, was restored to an earlier state, and "
                "nothing tells how far: give the sink a new target.",
            )
        self._durable = held

    def _write(self, batch: EventBatch) -> None:
        if self._durable is not None:
            batch = batch.after(self._durable)
        if batch.events:
            selected = self._sieve.select(batch)
            if selected.events:
                self._sink.write(selected)

    def _settle(self, progress: Progress) -> None:
        for rejection in progress.rejections:
            self._park(self._find(rejection.position), rejection.reason)
        held, reached = self._durable, self._sieve.durable(progress.durable)
        if reached is not None and (held is None or reached > held):
            held = self._durable = reached
            self._backoff.reset()
            self._attempts = 0
        settled = None
        while self._unsettled and held is not None and self._unsettled[0].last <= held:
            batch = self._unsettled.popleft()
            settled = batch.last
            self.backlog.release(batch)
        if self._unsettled and held is not None and held >= self._unsettled[0].events[0].position:
            settled = held
        if settled is not None:
            self._report_durable(self.name, settled)

    def _park(self, event: CdcEvent, reason: str) -> None:
        position = event.position
        if self._dead_letters is None:
            raise BridgeError(
                f"Sink {self.name!r} can never accept the event at {position}: {reason}",
                remedy="Set dead_letter to true for this sink to put such events aside and go on.",
            )
        self._dead_letters.park(self.name, event, reason, self._attempts + 1)
        self._log.error("event_dead_lettered", position=str(position), reason=reason)

    def _find(self, position: Position) -> CdcEvent:
        for batch in self._unsettled:
            if batch.last >= position:
                for event in batch.events:
                    if event.position == position:
                        return event
        raise InvariantViolated(f"Sink {self.name!r} rejected {position}, which it was not given.")
