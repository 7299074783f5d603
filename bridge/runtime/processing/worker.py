"""The processing thread: from batches to states and results, and both to the store in one step.

::

    runner ──▶ Backlog ──▶ ProcessingWorker ──▶ Dataflow.process ──▶ results ┐
                                │                                           │ commit: states,
                                └── every checkpoint: StateStore.commit ◀────┘ position, results
                                              │
                                              ├──▶ Ledger: the slot may go on
                                              └──▶ Delivery, one for each result sink

What was processed after the last checkpoint exists in memory alone. A crash forgets it, the server
sends the events again, and the same results come of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from threading import Event, Thread
from typing import Any, Protocol

import structlog

from bridge.core.errors import BridgeError, ConfigError, EnvironmentProblem, Transient
from bridge.core.events import CdcEvent, EventBatch, Position
from bridge.core.lsn import Lsn
from bridge.processing.partitions import PartitionMemory
from bridge.processing.state.figures import figures, figures_name
from bridge.processing.state.results import Result
from bridge.processing.state.store import ProcessingCheckpoint, StateStore
from bridge.processing.streaming_config import StreamingConfig
from bridge.runtime.backlog import Backlog
from bridge.runtime.processing.collection import without_collection
from bridge.runtime.processing.table_forms import TableForms
from bridge.runtime.retry import Backoff
from bridge.runtime.worker import DeadLetters

log = structlog.get_logger()

PARTICIPANT = "(processors)"
"""The name under which all processors take part in the acknowledgement. No sink can have it."""

_MAX_RESULTS = 50_000
"""So many results in memory make a checkpoint at once."""

_COST_FACTOR = 10.0
"""A checkpoint takes no more than about a tenth of the time, however large the states are."""

_IDLE_WAIT_S = 0.5
_FULL_WAIT_S = 0.1


class Dataflow(Protocol):
    """A compiled processor (``bridge.dataflow``)."""

    @property
    def name(self) -> str: ...
    @property
    def state_name(self) -> str: ...
    def process(self, events: Sequence[CdcEvent]) -> list[Result]: ...
    def advance(self, now: int) -> list[Result]: ...
    def take_rejected(self) -> list[tuple[CdcEvent, str]]: ...
    def snapshot(self) -> Any: ...
    def stats(self) -> Mapping[str, int]: ...


class ProcessingWorker:
    """Drives all processors, in the order of the configuration, in one thread.

    Args:
        dataflows: the processors, with their states; driven by this worker's thread alone.
        store: of states and results.
        backlog: where the batches come from.
        position: up to which the events are in the states; None for none.
        sequence: number of the last result in the store.
        interval_s: between two checkpoints while there is progress; longer where they are costly.
        seen: returns up to where the server's WAL was received, and the position of the last event
            that was handed out by then.
        has_room: whether the result sinks are near enough for more results.
        dead_letters: where events go that have no value.
        committed: called with the number of the last result, after each checkpoint.
        durable: called with the name and the position of each checkpoint.
        failed: called once, with the error, if the worker cannot go on.
        backoff: how long to wait for a store that is away.
        monotonic: the clock, in seconds.
        streaming: how large batches are, and how long they take to fill.
        memory: of the partitions of the processors; None if they have none.
    """

    def __init__(
        self,
        dataflows: Sequence[Dataflow],
        store: StateStore,
        backlog: Backlog,
        *,
        position: Position | None,
        sequence: int,
        interval_s: float,
        seen: Callable[[], tuple[Lsn, Position | None]],
        has_room: Callable[[], bool],
        dead_letters: DeadLetters,
        committed: Callable[[int], None],
        durable: Callable[[str, Position], None],
        failed: Callable[[Exception], None],
        backoff: Backoff,
        monotonic: Callable[[], float],
        streaming: StreamingConfig,
        memory: PartitionMemory | None = None,
    ) -> None:
        self._dataflows = dataflows
        self._store = store
        self.backlog = backlog
        self._position = position
        self._sequence = sequence
        self._interval_s = interval_s
        self._seen = seen
        self._has_room = has_room
        self._dead_letters = dead_letters
        self._committed = committed
        self._report_durable = durable
        self._report_failure = failed
        self._backoff = backoff
        self._monotonic = monotonic
        self._batch_size = streaming.batch_size
        self._row_timeout_s = streaming.row_timeout_s
        self._memory = memory
        self._forms = TableForms()
        self._results: list[Result] = []
        self._changed = False
        self._next_late = {flow.name: _late(flow.stats()) + 1 for flow in dataflows}
        self._due_at = monotonic()
        self._time: tuple[int, Lsn] | None = None
        self._held_up = False
        self._behind = False
        self._draining = False
        self._aborting = False
        self._called = Event()
        self._thread = Thread(target=self._run, name="processors", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    @property
    def ended(self) -> bool:
        """Whether nothing more is to be expected: the thread is gone."""
        return not self._thread.is_alive()

    def note_time(self, clock: int, wal_end: Lsn) -> None:
        """Take note of what time it was at the server. Safe from any thread, returns at once.

        It counts once all WAL up to there was received, and all that came of it was processed: no
        transaction that commits before ``clock`` can come any more. An earlier note that still
        waits for that is kept, or a stream that is always a little behind would never get there.

        Args:
            clock: in microseconds since the Unix epoch.
            wal_end: where the server's WAL ended at that time, or later.
        """
        if self._time is None:
            self._time = (clock, wal_end)

    def drain(self) -> None:
        """Process what is in the backlog, store it, then end. Returns at once."""
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
        all_done = self.backlog.empty and not (self._behind or self._changed)
        return self.ended and all_done

    def _call(self) -> None:
        """End every wait of the thread, so that it looks at its flags."""
        self._called.set()
        self.backlog.wake()

    def _run(self) -> None:
        try:
            while not self._aborting:
                has_room = self._look_for_room()
                if self._draining and (self.backlog.empty or not has_room):
                    self._checkpoint()
                    return
                if has_room:
                    self._take_in(self._gather())
                    self._pass_time()
                else:
                    self._wait(_FULL_WAIT_S)
                self._checkpoint_if_due()
        except Exception as error:  # nothing must be confirmed any more, so the bridge ends
            self._report_failure(error)

    def _look_for_room(self) -> bool:
        """Return whether to go on; results that nobody takes must not fill the disk."""
        held_up = not self._has_room()
        if held_up != self._held_up:
            self._held_up = held_up
            if held_up:
                log.warning("processing_held_up", reason="results wait for their sinks")
            else:
                log.info("processing_goes_on")
        return not held_up

    def _patience(self) -> float:
        """How long to wait for a batch, in seconds."""
        if not self._changed:
            return _IDLE_WAIT_S
        return max(0.0, min(_IDLE_WAIT_S, self._due_at - self._monotonic()))

    def _gather(self) -> list[EventBatch]:
        """Take what waits, and wait for more until it is enough, or has waited long enough."""
        taken = self.backlog.take(self._patience())
        full_at = self._monotonic() + self._row_timeout_s
        while taken and sum(map(len, taken)) < self._batch_size and not self.backlog.congested:
            left = full_at - self._monotonic()
            if left <= 0 or self._draining or self._aborting:
                break
            taken += self.backlog.take(left)
        return taken

    def _take_in(self, batches: Sequence[EventBatch]) -> None:
        gathered: list[EventBatch] = []
        events: list[CdcEvent] = []
        for batch in batches:
            new = batch if self._position is None else batch.after(self._position)
            gathered.append(batch)
            events += new.events
            if len(events) >= self._batch_size:
                self._process_all(gathered, events)
                gathered, events = [], []
        self._process_all(gathered, events)

    def _process_all(self, gathered: Sequence[EventBatch], events: list[CdcEvent]) -> None:
        """Give events to all processors, and release the batches that they came in."""
        for part, renewed in self._forms.parts(events, self._batch_size):
            if renewed:
                self._checkpoint()
            if self._aborting:
                self._behind = True
                return
            for dataflow in self._dataflows:
                self._process(dataflow, part)
            self._position = part[-1].position
            self._changed = True
            self._checkpoint_if_due()
        for batch in gathered:
            self.backlog.release(batch)  # the slot holds it until the checkpoint

    def _process(self, dataflow: Dataflow, events: Sequence[CdcEvent]) -> None:
        with _Named(dataflow.name, f"between {events[0].position} and {events[-1].position}"):
            self._results += dataflow.process(events)
            rejected = dataflow.take_rejected()
        for event, reason in rejected:
            self._dead_letters.park(f"processor:{dataflow.name}", event, reason, 1)
            log.error(
                "event_dead_lettered",
                processor=dataflow.name,
                position=str(event.position),
                reason=reason,
            )

    def _pass_time(self) -> None:
        """Tell the processors the server's time, if all that came before was processed."""
        noted = self._time
        if noted is None:
            return
        clock, wal_end = noted
        received, handed = self._seen()
        processed = handed is None or (self._position is not None and self._position >= handed)
        if received < wal_end or not processed:
            return
        self._time = None
        for dataflow in self._dataflows:
            with _Named(dataflow.name, "as time went by"):
                results = dataflow.advance(clock)
            if results:
                self._results += results
                self._changed = True

    def _checkpoint_if_due(self) -> None:
        if len(self._results) >= _MAX_RESULTS or self._monotonic() >= self._due_at:
            self._checkpoint()

    def _checkpoint(self) -> None:
        """Store states, position and results, and tell of it when that is durable."""
        if not self._changed:
            return
        began = self._monotonic()
        every: dict[str, Any] = {}
        with without_collection():
            for dataflow in self._dataflows:
                name = dataflow.state_name
                every[name] = dataflow.snapshot()
                stats = dataflow.stats()
                every[figures_name(name)] = figures(dataflow.name, stats)
                self._warn_of_late(dataflow.name, _late(stats))
        states = every if self._memory is None else self._memory.with_changed(every)
        sequence = self._sequence + len(self._results)
        checkpoint = ProcessingCheckpoint(self._position, states, sequence)
        if not self._commit(checkpoint):
            return
        if self._memory is not None:
            self._memory.committed()
        self._sequence, self._results, self._changed = sequence, [], False
        ended = self._monotonic()
        self._due_at = ended + max(self._interval_s, _COST_FACTOR * (ended - began))
        self._committed(sequence)
        if self._position is not None:
            self._report_durable(PARTICIPANT, self._position)

    def _warn_of_late(self, processor: str, late: int) -> None:
        """Say that events came too late, with each doubling of their number again."""
        if late >= self._next_late[processor]:
            log.warning("events_late", processor=processor, late=late)
            self._next_late[processor] = 2 * late

    def _commit(self, checkpoint: ProcessingCheckpoint) -> bool:
        """Try until the store has it. Returns False if the worker has to end before."""
        while not self._aborting:
            try:
                self._store.commit(checkpoint, self._results)
            except Transient as error:
                delay = self._backoff.next_delay() or 0.0
                log.warning("processing_store_retry", error=error.message, delay_s=round(delay, 3))
                self._wait(delay)
            else:
                self._backoff.reset()
                return True
        return False

    def _wait(self, seconds: float) -> None:
        self._called.wait(seconds)
        self._called.clear()


def _late(stats: Mapping[str, int]) -> int:
    return stats.get("late", 0)  # none where no event can be


class _Named:
    """Gives the errors of a processor its name. What they say of rows stays out.

    Args:
        name: of the processor.
        where: it was, for people.
    """

    def __init__(self, name: str, where: str) -> None:
        self._name = name
        self._where = where

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: object
    ) -> None:
        if isinstance(error, BridgeError):
            known = isinstance(error, ConfigError | EnvironmentProblem)
            raise (type(error) if known else BridgeError)(
                f"Processor {self._name!r} cannot go on {self._where}: {error.message}",
                remedy=error.remedy,
            ) from error
        if isinstance(error, Exception):
            raise BridgeError(
                f"Processor {self._name!r} failed {self._where} with {type(error).__name__}.",
                remedy="The events come again at the next start. Correct the processor, or take it "
                "out of the configuration.",
            ) from None
