"""The parts between the stream and the sinks, put together for one generation of a run."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from threading import Lock
from typing import TYPE_CHECKING

from bridge.config import Config
from bridge.core.acks import AckTracker
from bridge.core.continuity import Phase
from bridge.core.events import NON_TRANSACTIONAL, Commit, EventBatch, Position
from bridge.core.lsn import Lsn, format_lsn
from bridge.core.retry import RetryPolicy
from bridge.core.selection import Selection
from bridge.core.table_schema import Compatibility
from bridge.fanout import FanOut, make_backlog
from bridge.postgres.catalog import Catalog
from bridge.runtime.gap import gap_event
from bridge.runtime.ledger import Ledger
from bridge.runtime.retry import Backoff
from bridge.runtime.runner import Participant, Runner, RunnerLimits
from bridge.runtime.schema_history import SchemaHistory
from bridge.runtime.state import StateStore
from bridge.runtime.wakeup import Wakeup
from bridge.starting import StartPoint
from bridge.streaming import Connector
from decoders.decoder import PgOutputDecoder

if TYPE_CHECKING:
    from bridge.projecting.running import Projecting
    from bridge.runtime.processing.delivery import Delivery
    from bridge.stream_processing import StreamProcessing

_LAST_S = 1.0
"""What optional sinks get to finish when the required ones have used up the time to drain."""


class Pipeline:
    """Decoder, ledger, runner, and a worker for each sink.

    Args:
        config: the configuration.
        store: of checkpoint and dead letters.
        point: where to begin.
        catalog: for what the stream does not say of types and keys.
        selections: what each sink gets, by name; None for everything.
        processing: the processors; None without any.
        projecting: the projections; None without any.
    """

    def __init__(
        self,
        config: Config,
        store: StateStore,
        point: StartPoint,
        catalog: Catalog,
        selections: Mapping[str, Selection | None],
        processing: StreamProcessing | None = None,
        projecting: Projecting | None = None,
    ) -> None:
        self._config = config
        self._store = store
        # A sink that is not configured any more is forgotten: should it come back, it is a new one.
        known = point.checkpoint.positions
        streamed = [sink.name for sink in config.sinks if sink.name not in config.result_sinks]
        positions = {name: known.get(name) for name in streamed}
        self._processing = processing
        self._projecting = projecting
        if processing is not None:
            positions |= processing.positions
        if projecting is not None:
            positions |= projecting.positions
        kept = {name: position for name, position in positions.items() if position is not None}
        self._checkpoint = replace(point.checkpoint, positions=kept)
        self._saving = Lock()
        # Until every sink has the news of a gap, the old checkpoint stays: a crash repeats it all.
        self._store_progress = point.gap_from is None
        self._closed = False
        self._history = SchemaHistory(
            store.file,
            point.source.system_identifier,
            point.source.database,
            required=Compatibility(config.schema_changes.compatibility),
        )
        self._decoder = PgOutputDecoder(
            point.source, catalog=catalog, style=config.values, watch=self._history
        )
        self.wakeup = Wakeup()
        self._ledger = Ledger(
            AckTracker(positions, point.confirmed),
            self._save,
            interval_s=config.checkpoint.interval_ms / 1000,
            progressed=self.wakeup.ring,
            failed=self.fail,
        )
        participants: list[Participant] = []
        deliveries: Sequence[Delivery] = ()
        if processing is not None:
            participants.append(
                processing.make_worker(
                    make_backlog(
                        config, self.wakeup.ring, max_events=config.processing.buffer_size
                    ),
                    seen=lambda: self._ledger.seen,
                    durable=self._ledger.became_durable,
                    failed=self.fail,
                )
            )
            deliveries = processing.deliveries
        if projecting is not None:
            participants += projecting.make_workers(
                lambda: make_backlog(config, self.wakeup.ring),
                durable=self._ledger.became_durable,
                failed=self.fail,
            )
        self._fan_out = FanOut(
            config,
            store,
            point,
            selections,
            deliveries,
            room=self.wakeup.ring,
            durable=self._ledger.became_durable,
            failed=self.fail,
        )
        self._runner = Runner(
            decoder=self._decoder,
            ledger=self._ledger,
            workers=[*self._fan_out.workers, *participants],
            resume=_resume(list(positions.values())),
            wakeup=self.wakeup,
            backoff=Backoff(RetryPolicy()),
            limits=RunnerLimits(
                max_pause_s=config.backpressure.max_pause_seconds,
                drain_s=config.shutdown.drain_seconds,
            ),
            monotonic=time.monotonic,
        )
        self._fan_out.start()
        if processing is not None:
            processing.start()
        self._runner.start()

    def deliver_first(self, point: StartPoint) -> bool:
        """Deliver what comes before the stream: existing rows, or the news of a gap.

        Returns:
            False if a stop came first; what was delivered comes again at the next start.
        """
        if point.gap_from is not None and not self._runner.deliver(_gap(point)):
            return False
        if point.snapshot is not None:
            tables = point.snapshot.tables(self._config.source.publication)
            batches = self._history.watching(point.snapshot.batches(tables))
            if not self._runner.copy(batches, end_lsn=point.confirmed):
                return False
        self._enter(Phase.STREAMING)
        if self._projecting is not None:
            self._projecting.rows_are_complete()
        return True

    def stream(self, connect: Connector) -> None:
        """Stream until stopped. Raises ``BridgeError`` if the bridge cannot go on."""
        self._runner.run(connect)

    def stop(self) -> None:
        """Ask for an orderly end. Safe from any thread and from a signal handler."""
        self._runner.stop()

    def fail(self, error: Exception) -> None:
        """End with an error. Safe from any thread."""
        self._runner.fail(error)

    def close(self) -> None:
        """Drain, save and confirm. Does nothing the second time."""
        if self._closed:
            return
        self._closed = True
        deadline = time.monotonic() + self._config.shutdown.drain_seconds
        self._runner.close()
        self._fan_out.close(max(_LAST_S, deadline - time.monotonic()))
        if self._processing is not None:
            self._processing.end(max(_LAST_S, deadline - time.monotonic()))
        self.wakeup.close()

    def look_at_sinks(self) -> None:
        """Pause and resume sinks as operators say, and save positions. To be called regularly."""
        self._fan_out.look()
        if self._processing is not None:
            self._processing.tend()

    def note_time(self, clock: int, wal_end: Lsn) -> None:
        """Tell the processors what time it is at the server, unless existing rows still come."""
        if self._processing is not None and self._checkpoint.phase is Phase.STREAMING:
            self._processing.note_time(clock, wal_end)

    def confirmed(self) -> Lsn:
        """What the checkpoint says was confirmed."""
        return self._ledger.flush

    def holders(self) -> tuple[str, ...]:
        """The sinks that hold the slot back."""
        return self._ledger.holders

    def _enter(self, phase: Phase) -> None:
        with self._saving:
            self._checkpoint = replace(self._checkpoint, phase=phase)
            self._store_progress = True
            self._store.save_checkpoint(self._checkpoint)

    def _save(self, confirmed: Lsn, positions: Mapping[str, Position]) -> None:
        with self._saving:
            self._checkpoint = replace(
                self._checkpoint,
                confirmed=max(confirmed, self._checkpoint.confirmed),
                positions={**self._checkpoint.positions, **positions},
            )
            if self._store_progress:
                self._store.save_checkpoint(self._checkpoint)


def _resume(positions: Sequence[Position | None]) -> Position | None:
    """Return the position of whoever is furthest behind; None if somebody has nothing yet."""
    known = [position for position in positions if position is not None]
    return min(known, default=None) if len(known) == len(positions) else None


def _gap(point: StartPoint) -> EventBatch:
    """Make the message that tells the consumers between which positions changes are missing."""
    assert point.gap_from is not None
    event = gap_event(
        point.source,
        Position(point.confirmed, NON_TRANSACTIONAL),
        since=format_lsn(point.gap_from),
        until=format_lsn(point.confirmed),
        now=time.time(),
    )
    return EventBatch([event], [Commit(point.confirmed, NON_TRANSACTIONAL, point.confirmed)])
