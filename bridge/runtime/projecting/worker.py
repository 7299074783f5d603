"""The thread of a projection: from batches to domain events, with the position in one append.

::

    runner ──▶ Backlog ──▶ ProjectionWorker ──▶ Projector.project ──▶ EventStorage.append
                                                                        events, position
                                                                             │
                                               Ledger: the slot may go on ◀──┘

Events and position are stored together or not at all. So a change whose events are stored is never
projected again, and one whose events are not is never confirmed to the server.

Existing rows are set aside first (``existing_rows``), and told when all of them are there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Event, Thread
from typing import Final, Protocol

import structlog

from bridge.core.errors import BridgeError, ConfigError, EnvironmentProblem, Transient
from bridge.core.events import CdcEvent, EventBatch, Position
from bridge.core.relation import Relation
from bridge.eventsourcing.errors import EventIdTaken, InvalidInput
from bridge.eventsourcing.records import Progress, Write
from bridge.eventsourcing.storage import EventStorage
from bridge.runtime.backlog import Backlog
from bridge.runtime.projecting.existing_rows import ExistingRows
from bridge.runtime.retry import Backoff
from bridge.runtime.worker import DeadLetters

log = structlog.get_logger()

_MAX_EVENTS: Final = 2_000
"""Changes of one append: enough to make its fsync cheap, few enough to repeat."""

_IDLE_WAIT_S: Final = 0.5


def participant(name: str) -> str:
    """Return the name under which a projection takes part in the acknowledgement.

    No sink can have it.
    """
    return f"(projection:{name})"


class Projector(Protocol):
    """What turns changes into domain events (``bridge.projecting``)."""

    @property
    def name(self) -> str: ...
    def reads(self, relation: Relation) -> bool: ...
    def project(self, events: Sequence[CdcEvent]) -> list[Write]: ...
    def take_rejected(self) -> list[tuple[CdcEvent, str]]: ...


class ProjectionWorker:
    """Drives one projection, in a thread of its own.

    A change of which no event can come, or whose event the storage can never take, is a dead
    letter under the name ``projection:NAME``.

    Args:
        projector: the projection; driven by this worker's thread alone.
        storage: of its events.
        backlog: where the batches come from.
        source: text that identifies cluster, database and slot.
        position: up to which the changes are in the storage; None for none.
        rows: the existing rows, which come first or are still to be told; None without any.
        interval_s: between two positions that are stored without an event.
        dead_letters: where changes go that cannot be stored.
        durable: called with the name of the participant and each position that is stored.
        failed: called once, with the error, if the worker cannot go on.
        backoff: how long to wait for a storage that is away.
        monotonic: the clock, in seconds.
    """

    def __init__(
        self,
        projector: Projector,
        storage: EventStorage,
        backlog: Backlog,
        *,
        source: str,
        position: Position | None,
        rows: ExistingRows | None = None,
        interval_s: float,
        dead_letters: DeadLetters,
        durable: Callable[[str, Position], None],
        failed: Callable[[Exception], None],
        backoff: Backoff,
        monotonic: Callable[[], float],
    ) -> None:
        self._projector = projector
        self._storage = storage
        self.backlog = backlog
        self._source = source
        self._position = position
        self._rows = rows
        self._rows_are_complete = Event()
        if rows is not None and rows.complete:
            self._rows_are_complete.set()
        self._interval_s = interval_s
        self._dead_letters = dead_letters
        self._report_durable = durable
        self._report_failure = failed
        self._backoff = backoff
        self._monotonic = monotonic
        self.stored = 0
        """Events that were stored in this run."""
        self._unsaved = False
        self._due_at = monotonic()
        self._behind = False
        self._draining = False
        self._aborting = False
        self._called = Event()
        name = f"projection-{projector.name}"
        self._thread = Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def rows_are_complete(self) -> None:
        """Tell of the existing rows now: all are there, and no later start reads them again."""
        self._rows_are_complete.set()
        self._call()

    @property
    def ended(self) -> bool:
        """Whether nothing more is to be expected: the thread is gone."""
        return not self._thread.is_alive()

    def drain(self) -> None:
        """Store the events of what is in the backlog, then end. Returns at once."""
        self._draining = True
        self._call()

    def join(self, timeout_s: float) -> bool:
        """Wait for the end; after ``timeout_s`` seconds give up what is not stored.

        Returns:
            Whether everything was stored.
        """
        self._thread.join(timeout_s)
        self._aborting = True
        self._call()
        self._thread.join(1.0)
        return self.ended and self.backlog.empty and not (self._behind or self._unsaved)

    def _call(self) -> None:
        """End every wait of the thread, so that it looks at its flags."""
        self._called.set()
        self.backlog.wake()

    def _run(self) -> None:
        try:
            while not self._aborting:
                if self._draining and self.backlog.empty and not self._has_rows_to_tell:
                    self._save_position()
                    return
                batches = self.backlog.take(self._patience())
                if self._rows is not None and not self._rows_are_complete.is_set():
                    self._set_aside(batches, self._rows)
                    continue
                if self._rows is not None:
                    self._tell_existing_rows(self._rows)
                self._take_in(batches)
                if self._monotonic() >= self._due_at:
                    self._save_position()
        except Exception as error:  # nothing must be confirmed any more, so the bridge ends
            self._report_failure(self._named(error))

    def _patience(self) -> float:
        """How long to wait for a batch, in seconds."""
        if self._has_rows_to_tell:
            return 0.0
        if not self._unsaved:
            return _IDLE_WAIT_S
        return max(0.0, min(_IDLE_WAIT_S, self._due_at - self._monotonic()))

    @property
    def _has_rows_to_tell(self) -> bool:
        return self._rows is not None and self._rows_are_complete.is_set()

    def _set_aside(self, batches: Sequence[EventBatch], rows: ExistingRows) -> None:
        """Keep existing rows until all of them are there."""
        if not batches:
            return
        # Each batch is of one table. Of one that nobody reads, a row is kept for its position.
        rows.add(
            [
                batch
                if self._projector.reads(batch.events[0].relation)
                else EventBatch(batch.events[-1:])
                for batch in batches
            ]
        )
        self._report_durable(participant(self._projector.name), batches[-1].last)
        for batch in batches:
            self.backlog.release(batch)

    def _tell_existing_rows(self, rows: ExistingRows) -> None:
        """Store what comes of the rows that were set aside, then forget them."""
        before = self.stored
        for batch in rows.batches(self._position):
            if not self._project_all(batch.events):
                return
        self._save_position()
        if not self._unsaved:
            rows.remove()
            self._rows = None
            log.info(
                "projection_rows_told",
                projection=self._projector.name,
                events=self.stored - before,
            )

    def _take_in(self, batches: Sequence[EventBatch]) -> None:
        gathered: list[EventBatch] = []
        events: list[CdcEvent] = []
        for batch in batches:
            new = batch if self._position is None else batch.after(self._position)
            gathered.append(batch)
            events += new.events
            if len(events) >= _MAX_EVENTS:
                self._store(gathered, events)
                gathered, events = [], []
        self._store(gathered, events)

    def _store(self, gathered: Sequence[EventBatch], events: Sequence[CdcEvent]) -> None:
        """Store what comes of changes, and release the batches that they came in."""
        if self._project_all(events):
            for batch in gathered:
                self.backlog.release(batch)

    def _project_all(self, events: Sequence[CdcEvent]) -> bool:
        """Store what comes of changes. Returns False if the worker has to end before."""
        for start in range(0, len(events), _MAX_EVENTS):
            if self._aborting or not self._project(events[start : start + _MAX_EVENTS]):
                self._behind = True
                return False
        return True

    def _project(self, events: Sequence[CdcEvent]) -> bool:
        """Store what comes of changes. Returns False if the worker has to end before."""
        try:
            writes = self._projector.project(events)
        except (ConfigError, EnvironmentProblem):
            if len(events) == 1:
                raise
            # A table has changed among them. What came before has to be stored: it does not fit
            # the definition that will be made for what comes after.
            self._projector.take_rejected()
            half = len(events) // 2
            return self._project(events[:half]) and self._project(events[half:])
        for event, reason in self._projector.take_rejected():
            self._park(event, reason)
        if not writes:
            self._position, self._unsaved = events[-1].position, True
            return True
        try:
            return self._append(writes, events[-1].position)
        except (EventIdTaken, InvalidInput):
            return self._project_singly(events)

    def _project_singly(self, events: Sequence[CdcEvent]) -> bool:
        """Do the same for one change after the other: what one of them wrote is refused."""
        for event in events:
            writes = self._projector.project([event])
            self._projector.take_rejected()  # they were parked before
            try:
                appended = self._append(writes, event.position)
            except (EventIdTaken, InvalidInput) as error:
                self._park(event, error.message)
                appended = self._append([], event.position)
            if not appended:
                return False
        return True

    def _save_position(self) -> None:
        """Store the position of changes of which no events came."""
        if self._unsaved and self._position is not None:
            self._append([], self._position)

    def _append(self, writes: Sequence[Write], position: Position) -> bool:
        """Try until the storage has it. Returns False if the worker has to end before."""
        progress = Progress(self._projector.name, position, self._source)
        while not self._aborting:
            try:
                self._storage.append(writes, progress)
            except Transient as error:
                delay = self._backoff.next_delay() or 0.0
                log.warning(
                    "projection_store_retry",
                    projection=self._projector.name,
                    error=error.message,
                    delay_s=round(delay, 3),
                )
                self._called.wait(delay)
                self._called.clear()
            else:
                self._backoff.reset()
                self.stored += sum(len(write.events) for write in writes)
                self._position, self._unsaved = position, False
                self._due_at = self._monotonic() + self._interval_s
                if self._rows is None:  # those that are set aside count as durable already
                    self._report_durable(participant(self._projector.name), position)
                return True
        return False

    def _park(self, event: CdcEvent, reason: str) -> None:
        self._dead_letters.park(f"projection:{self._projector.name}", event, reason, 1)
        log.error(
            "event_dead_lettered",
            projection=self._projector.name,
            position=str(event.position),
            reason=reason,
        )

    def _named(self, error: Exception) -> BridgeError:
        """Return the error with the name of the projection. What it says of rows stays out."""
        behind = "" if self._position is None else f" behind {self._position}"
        if isinstance(error, BridgeError):
            known = isinstance(error, ConfigError | EnvironmentProblem)
            return (type(error) if known else BridgeError)(
                f"Projection {self._projector.name!r} cannot go on{behind}: {error.message}",
                remedy=error.remedy,
            )
        return BridgeError(
            f"Projection {self._projector.name!r} failed{behind} with {type(error).__name__}.",
            remedy="The changes come again at the next start. Correct the projection, or take it "
            "out of the configuration.",
        )
