"""The loop: stream, decoder, backlogs, acknowledgement. The way of every event leads through here.

::

    stream.read ──frames──▶ decoder.feed ──batch──▶ ledger.hand_out ──▶ backlog.put ──▶ worker, sink
        ▲                                                                                  │
        └────── stream.send_status ◀── ledger.flush ◀── checkpoint ◀── became_durable ─────┘

The thread that runs the loop owns the connection. It never waits for a sink: full backlogs make it
stop reading, then disconnect, and the slot keeps what is to come.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from threading import Event
from typing import Protocol

import structlog

from bridge.core.errors import BridgeError, SlotBusy, Transient
from bridge.core.events import Commit, EventBatch, Position
from bridge.core.lsn import Lsn, format_lsn
from bridge.runtime.backlog import Backlog
from bridge.runtime.ledger import Ledger
from bridge.runtime.pacing import Pace, Pacing
from bridge.runtime.retry import Backoff
from bridge.runtime.wakeup import Wakeup

log = structlog.get_logger()

_MAX_WAIT_S = 1.0
_STANDBY_WAIT_S = 1.0
_FINISH_S = 3.0
"""What the server needs to take in the last status, even behind a full socket."""


class Received(Protocol):
    """What one read brought: frames, and the WAL end of a keepalive that came after them."""

    @property
    def frames(self) -> Sequence[bytes]: ...
    @property
    def wal_end(self) -> Lsn | None: ...


class Stream(Protocol):
    """A running replication stream (``bridge.postgres.stream``)."""

    def read(self, timeout_s: float) -> Received: ...
    def send_status(self, *, write: Lsn, flush: Lsn) -> bool: ...
    def seconds_to_status(self) -> float: ...
    def finish(self, timeout_s: float) -> bool: ...
    def close(self) -> None: ...


class Decoder(Protocol):
    """Turns frames into events (``decoders.decoder``)."""

    @property
    def in_transaction(self) -> bool: ...
    def start_stream(self, resume: Position | None) -> None: ...
    def feed(self, frames: Sequence[bytes]) -> EventBatch: ...


class Participant(Protocol):
    """A thread that takes part in the acknowledgement: a sink's worker, or the processors."""

    @property
    def backlog(self) -> Backlog: ...
    @property
    def ended(self) -> bool: ...
    def start(self) -> None: ...
    def drain(self) -> None: ...
    def join(self, timeout_s: float) -> bool: ...


class BacklogFull(Transient):
    """The sinks are too far behind: the connection is given up until there is room."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerLimits:
    """Durations, in seconds.

    Attributes:
        max_pause_s: how long the connection may stay unread before it is given up.
        drain_s: how long the sinks may take to finish after a stop was asked for.
    """

    max_pause_s: float
    drain_s: float


class Runner:
    """Moves events from the stream to the sinks until told to stop.

    Args:
        decoder: for the stream.
        ledger: not started yet.
        workers: one for each sink, and one for all processors, not started yet.
        resume: position up to which every sink holds the events.
        wakeup: rung by the ledger, by failing workers and by ``stop``.
        backoff: between two attempts to connect.
        limits: see there.
        monotonic: the clock, in seconds.
    """

    def __init__(
        self,
        *,
        decoder: Decoder,
        ledger: Ledger,
        workers: Sequence[Participant],
        resume: Position | None,
        wakeup: Wakeup,
        backoff: Backoff,
        limits: RunnerLimits,
        monotonic: Callable[[], float],
    ) -> None:
        self._decoder = decoder
        self._ledger = ledger
        self._workers = workers
        self._resume = resume
        self._wakeup = wakeup
        self._backoff = backoff
        self._limits = limits
        self._monotonic = monotonic
        self._stream: Stream | None = None
        self._stopping = Event()
        self._failure: Exception | None = None
        self.streaming = False
        """Whether the stream is connected and read."""
        self.events = 0
        """Events handed to the sinks so far."""

    def stop(self) -> None:
        """Ask for an orderly end. Safe from any thread and from a signal handler."""
        self._stopping.set()
        self._wakeup.ring()

    def fail(self, error: Exception) -> None:
        """End with ``error``. Safe from any thread."""
        if self._failure is None:
            self._failure = error
        self.stop()

    def start(self) -> None:
        """Start the ledger and the workers."""
        self._ledger.start()
        for worker in self._workers:
            worker.start()

    def copy(self, batches: Iterable[EventBatch], *, end_lsn: Lsn) -> bool:
        """Deliver the rows of a snapshot, and wait until they are durable.

        Args:
            batches: of ``Read`` events.
            end_lsn: where the stream goes on.

        Returns:
            False if a stop was asked for before all was durable.
        """
        last: Position | None = None
        for batch in batches:
            while not self._stopping.is_set() and self._congested():
                self._wakeup.wait(_MAX_WAIT_S)
            if self._stopping.is_set():
                break
            last = batch.last
            self._hand_out(batch, open_transaction=True)
        else:
            end = [] if last is None else [Commit(last.commit_lsn, last.ordinal, end_lsn)]
            self._hand_out(EventBatch([], end), open_transaction=False)
        return self._wait_until_durable()

    def deliver(self, batch: EventBatch) -> bool:
        """Deliver events that do not come from the stream, and wait until they are durable.

        Returns:
            False if a stop was asked for before that.
        """
        self._hand_out(batch, open_transaction=False)
        return self._wait_until_durable()

    def _wait_until_durable(self) -> bool:
        while not self._stopping.is_set() and self._ledger.outstanding:
            self._wakeup.wait(_MAX_WAIT_S)
        self._raise_failure()
        return not self._stopping.is_set()

    def run(self, connect: Callable[[], Stream]) -> None:
        """Stream until ``stop`` is called, reconnecting as often as needed.

        Args:
            connect: opens the stream; raises ``Transient`` while the server is away.

        Raises:
            BridgeError: the bridge cannot go on. What is durable was saved.
        """
        while not self._stopping.is_set():
            try:
                self._stream = connect()
                log.info("stream_started", resume=str(self._ledger.handed or self._resume))
                self._pump(self._stream)
            except BacklogFull as full:
                log.warning("stream_given_up", reason=full.message, held_by=self._ledger.holders)
                self._disconnect()
                self._wait_for_room()
            except SlotBusy as busy:
                log.info("standby", reason=busy.message)
                self._stopping.wait(_STANDBY_WAIT_S)
            except Transient as error:
                self._disconnect()
                delay = self._backoff.next_delay() or 0.0
                log.warning("stream_lost", error=error.message, delay_s=round(delay, 3))
                self._stopping.wait(delay)
        self._raise_failure()

    def close(self) -> None:
        """Finish: drain the sinks, save, confirm. To be called once, also after errors."""
        drain_s = 0.0 if self._failure is not None else self._limits.drain_s
        log.info("stopping", drain_s=drain_s)
        drained = self._drain(drain_s)
        self._ledger.close()
        if self._stream is not None:
            try:
                self._stream.send_status(write=self._ledger.received, flush=self._ledger.flush)
                self._stream.finish(_FINISH_S)
            except BridgeError as error:
                log.warning("final_status_lost", error=error.message)
        self._disconnect()
        for worker in self._workers:
            worker.backlog.close()
        log.info("stopped", drained=drained, confirmed=format_lsn(self._ledger.flush))

    def _pump(self, stream: Stream) -> None:
        """Read one connection until it ends or a stop is asked for."""
        self._decoder.start_stream(self._ledger.handed or self._resume)
        self._ledger.stream_restarted()
        pacing = Pacing(max_pause_s=self._limits.max_pause_s)
        self.streaming = True
        while not self._stopping.is_set():
            stream.send_status(write=self._ledger.received, flush=self._ledger.flush)
            match pacing.next(
                congested=self._congested(), full=self._full(), now=self._monotonic()
            ):
                case Pace.GIVE_UP:
                    raise BacklogFull(
                        f"The sinks have been behind for {self._limits.max_pause_s:g} seconds, "
                        "and the spool is full."
                    )
                case Pace.PAUSE:
                    self._wakeup.wait(min(stream.seconds_to_status(), _MAX_WAIT_S))
                    continue
            received = stream.read(min(stream.seconds_to_status(), _MAX_WAIT_S))
            self._wakeup.clear()
            if received.frames:
                self._hand_out(self._decoder.feed(received.frames))
                self._backoff.reset()
            if received.wal_end is not None:
                self._ledger.keepalive(received.wal_end)
                self._backoff.reset()

    def _hand_out(self, batch: EventBatch, *, open_transaction: bool | None = None) -> None:
        if open_transaction is None:
            open_transaction = self._decoder.in_transaction
        last = batch.last if batch.events else None
        self._ledger.hand_out(last, batch.commits, open_transaction=open_transaction)
        if last is not None:
            self.events += len(batch)
            for worker in self._workers:
                worker.backlog.put(batch)

    def _congested(self) -> bool:
        return any(worker.backlog.congested for worker in self._workers)

    def _full(self) -> bool:
        return any(worker.backlog.full for worker in self._workers)

    def _wait_for_room(self) -> None:
        while not self._stopping.is_set() and not all(w.backlog.relieved for w in self._workers):
            self._wakeup.wait(_MAX_WAIT_S)

    def _drain(self, drain_s: float) -> bool:
        deadline = self._monotonic() + drain_s
        for worker in self._workers:
            worker.drain()
        while self._monotonic() < deadline and not all(w.ended for w in self._workers):
            if self._stream is not None:
                try:
                    self._stream.send_status(write=self._ledger.received, flush=self._ledger.flush)
                except Transient:
                    self._disconnect()
            self._wakeup.wait(0.05)
        drained = [worker.join(max(0.0, deadline - self._monotonic())) for worker in self._workers]
        return all(drained)

    def _disconnect(self) -> None:
        self.streaming = False
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure
