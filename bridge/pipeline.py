"""The parts between the stream and the sinks, put together for one generation of a run."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import replace
from threading import Lock

from bridge.config import Config, SinkConfig
from bridge.core.acks import AckTracker
from bridge.core.continuity import Phase
from bridge.core.events import (
    NON_TRANSACTIONAL,
    CdcEvent,
    Commit,
    EventBatch,
    Operation,
    Position,
    Transaction,
)
from bridge.core.lsn import Lsn, format_lsn
from bridge.core.retry import RetryPolicy
from bridge.postgres.catalog import Catalog
from bridge.runtime.backlog import Backlog, BacklogLimits
from bridge.runtime.dead_letters import DeadLetterStore
from bridge.runtime.ledger import Ledger
from bridge.runtime.retry import Backoff
from bridge.runtime.runner import Runner, RunnerLimits
from bridge.runtime.state import StateStore
from bridge.runtime.wakeup import Wakeup
from bridge.runtime.worker import SinkWorker
from bridge.starting import StartPoint
from bridge.streaming import Connector
from decoders.decoder import PgOutputDecoder
from decoders.logical_message import MESSAGE_RELATION, message_row
from decoders.messages import Message
from sinks.base import Feed
from sinks.formats.native import encode_native
from sinks.registry import sink_class

GAP_PREFIX = "pgbridge.gap"
"""Prefix of the message event that tells the consumers of an accepted gap."""


class Pipeline:
    """Decoder, ledger, runner, and a worker for each sink.

    Args:
        config: the configuration.
        store: of checkpoint and dead letters.
        point: where to begin.
        catalog: for what the stream does not say of types and keys.
    """

    def __init__(
        self, config: Config, store: StateStore, point: StartPoint, catalog: Catalog
    ) -> None:
        self._config = config
        self._store = store
        self._checkpoint = point.checkpoint
        self._saving = Lock()
        # Until every sink has the news of a gap, the old checkpoint stays: a crash repeats it all.
        self._store_progress = point.gap_from is None
        self._closed = False
        self._decoder = PgOutputDecoder(point.source, catalog=catalog, style=config.values)
        self.wakeup = Wakeup()
        positions = {sink.name: point.checkpoint.positions.get(sink.name) for sink in config.sinks}
        self._ledger = Ledger(
            AckTracker(positions, point.confirmed),
            self._save,
            interval_s=config.checkpoint.interval_ms / 1000,
            progressed=self.wakeup.ring,
            failed=self.fail,
        )
        letters = DeadLetters(DeadLetterStore(store.file))
        self._workers = [self._worker(sink, point, letters) for sink in config.sinks]
        self._runner = Runner(
            decoder=self._decoder,
            ledger=self._ledger,
            workers=self._workers,
            resume=point.resume,
            wakeup=self.wakeup,
            backoff=Backoff(RetryPolicy()),
            limits=RunnerLimits(
                max_pause_s=config.backpressure.max_pause_seconds,
                drain_s=config.shutdown.drain_seconds,
            ),
            monotonic=time.monotonic,
        )
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
            batches = point.snapshot.batches(tables)
            if not self._runner.copy(batches, end_lsn=point.confirmed):
                return False
        self._enter(Phase.STREAMING)
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
        self._runner.close()
        self.wakeup.close()

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

    def _worker(self, sink: SinkConfig, point: StartPoint, letters: DeadLetters) -> SinkWorker:
        pressure = self._config.backpressure
        limits = BacklogLimits(
            max_events=pressure.max_events,
            max_bytes=pressure.max_bytes,
            spool_bytes=pressure.spool_bytes,
        )
        return SinkWorker(
            Feed(point.source, self._config.source.slot, sink.name),
            sink_class(sink.type)(sink.settings),
            Backlog(limits, self._config.state.dir, self.wakeup.ring),
            resume=point.checkpoint.positions.get(sink.name),
            horizon=point.server.wal_lsn if point.trust_sinks else None,
            backoff=Backoff(sink.retry),
            dead_letters=letters if sink.dead_letter else None,
            durable=self._ledger.became_durable,
            failed=self.fail,
        )


class DeadLetters:
    """Parks events with their JSON form, so that they can be read without decoding them."""

    def __init__(self, store: DeadLetterStore) -> None:
        self._store = store

    def park(self, sink: str, event: CdcEvent, reason: str, attempts: int) -> None:
        """Store the event; return when it is durable."""
        self._store.park(
            sink=sink,
            event=event,
            native_json=encode_native(event).encode(),
            reason=reason,
            attempts=attempts,
            now=time.time(),
        )


def _gap(point: StartPoint) -> EventBatch:
    """Make the message that tells the consumers between which positions changes are missing."""
    assert point.gap_from is not None
    between = {"from": format_lsn(point.gap_from), "to": format_lsn(point.confirmed)}
    message = Message(
        transactional=False,
        lsn=point.confirmed,
        prefix=GAP_PREFIX,
        content=json.dumps(between).encode(),
    )
    event = CdcEvent(
        Transaction(point.source, None, point.confirmed, int(time.time() * 1_000_000)),
        NON_TRANSACTIONAL,
        point.confirmed,
        Operation.MESSAGE,
        MESSAGE_RELATION,
        message_row(message),
        None,
    )
    return EventBatch([event], [Commit(point.confirmed, NON_TRANSACTIONAL, point.confirmed)])
