"""The processors of one generation of a run: their store, their thread, and their result sinks."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import structlog

from bridge.config import Config, SinkConfig
from bridge.config.durations import duration_us
from bridge.core.errors import BridgeError
from bridge.core.events import Position
from bridge.core.lsn import Lsn
from bridge.core.retry import RetryPolicy
from bridge.dataflow import make_dataflows
from bridge.dataflow.tables import check_processor_tables
from bridge.fanout import DeadLetters
from bridge.postgres.connection import Database
from bridge.processing.partitions import PartitionMemory
from bridge.processing.state.store import StateStore as ProcessingStore
from bridge.processing.streaming_config import StreamingConfig
from bridge.runtime.backlog import Backlog
from bridge.runtime.dead_letters import DeadLetterStore
from bridge.runtime.processing.delivery import MAX_WAITING, Delivery
from bridge.runtime.processing.spilled import SpilledPartitions
from bridge.runtime.processing.start import restore_states
from bridge.runtime.processing.worker import PARTICIPANT, ProcessingWorker
from bridge.runtime.retry import Backoff
from bridge.runtime.schema_history import SchemaHistory
from bridge.runtime.state import StateStore
from bridge.starting import StartPoint, stream_start
from bridge.store_database import store_database
from sinks.registry import sink_class

log = structlog.get_logger()


class StreamProcessing:
    """All processors and the sinks that get their results.

    Args:
        config: the configuration, with at least one processor.
        state: of dead letters.
        store: of processing states and results; whoever gives it closes it.
        point: where the run begins.
        accept_gap: whether changes that the states miss are accepted.

    Raises:
        ConfigError: a definition cannot be used.
        GapDetected: the stored states do not fit to the stream.
        EnvironmentProblem: the store cannot be used.
        Transient: the store is away.
    """

    def __init__(
        self,
        config: Config,
        state: StateStore,
        store: ProcessingStore,
        point: StartPoint,
        *,
        accept_gap: bool,
    ) -> None:
        self._config = config
        self._store = store
        self._database = point.server.database
        self._streaming = _streaming(config)
        self._spilled = SpilledPartitions(store, Backoff(RetryPolicy()))
        limit = self._streaming.max_buffer_bytes
        self._memory = None if limit is None else PartitionMemory(limit, self._spilled)
        self._dataflows = make_dataflows(config.processors, self._memory)
        start = stream_start(point, PARTICIPANT, accept_gap=accept_gap)
        if not start.first:  # else the starter has done that, before it made the slot
            self._check_new(state, point)
        found = restore_states(store, self._dataflows, start, self._memory)
        self._position = found.position
        self._sequence = found.sequence
        self._letters = DeadLetters(DeadLetterStore(state.file))
        self.deliveries: tuple[Delivery, ...] = ()
        """One for each result sink, once there is a worker."""

    @property
    def positions(self) -> Mapping[str, Position | None]:
        """Up to where the events are in the states, under the name that acknowledges them."""
        return {PARTICIPANT: self._position}

    def make_worker(
        self,
        backlog: Backlog,
        *,
        seen: Callable[[], tuple[Lsn, Position | None]],
        durable: Callable[[str, Position], None],
        failed: Callable[[Exception], None],
    ) -> ProcessingWorker:
        """Make the worker that takes part in the acknowledgement, and what delivers its results.

        Args:
            backlog: where the events come from.
            seen: see ``ProcessingWorker``.
            durable: called with ``PARTICIPANT`` and the position of each checkpoint.
            failed: called with the error if a processor or a result sink cannot go on.
        """
        self._give_up_what_nobody_gets()
        self.deliveries = tuple(
            self._make_delivery(sink, failed)
            for sink in self._config.sinks
            if sink.name in self._config.result_sinks
        )
        self._worker = ProcessingWorker(
            self._dataflows,
            self._store,
            backlog,
            position=self._position,
            sequence=self._sequence,
            interval_s=self._config.checkpoint.interval_ms / 1000,
            seen=seen,
            has_room=self._has_room,
            dead_letters=self._letters,
            committed=self._committed,
            durable=durable,
            failed=failed,
            backoff=Backoff(RetryPolicy()),
            monotonic=time.monotonic,
            streaming=self._streaming,
            memory=self._memory,
        )
        return self._worker

    def start(self) -> None:
        """Start delivering. The worker is started by the runner."""
        for delivery in self.deliveries:
            delivery.start()

    def note_time(self, clock: int, wal_end: Lsn) -> None:
        """See ``ProcessingWorker.note_time``."""
        self._worker.note_time(clock, wal_end)

    def tend(self) -> None:
        """Note what the sinks hold. To be called regularly."""
        for delivery in self.deliveries:
            delivery.tend()

    def end(self, timeout_s: float) -> None:
        """End the delivery, after the runner has ended the worker.

        Args:
            timeout_s: how long the sinks may take; the rest waits in the store.
        """
        deadline = time.monotonic() + timeout_s
        self._spilled.close()
        for delivery in self.deliveries:
            delivery.drain()
        for delivery in self.deliveries:
            delivery.join(max(0.0, deadline - time.monotonic()))
        try:
            self.tend()
            for sink, results in self._store.waiting().items():
                log.info("results_kept", sink=sink, results=results)
        except BridgeError as error:  # the run ends anyway, perhaps for this very reason
            log.warning("deliveries_not_noted", error=error.message)
        for dataflow in self._dataflows:
            log.info("processor_stopped", processor=dataflow.name, **dataflow.stats())

    def _check_new(self, state: StateStore, point: StartPoint) -> None:
        """Hold processors that begin against their tables, as far as the stream has come there."""
        known = set(self._store.names())
        stored = self._store.load([])
        position = None if stored is None else stored.position
        dataflows = make_dataflows(self._config.processors)
        source = point.source
        history = SchemaHistory(state.file, source.system_identifier, source.database)
        check_processor_tables(
            Database(self._config.source.sql_dsn or self._config.source.dsn),
            self._config.source.publication,
            self._config.values,
            [dataflow for dataflow in dataflows if dataflow.state_name not in known],
            reached=lambda relation: history.is_last(relation, position),
        )

    def _make_delivery(self, sink: SinkConfig, failed: Callable[[Exception], None]) -> Delivery:
        return Delivery(
            self._store,
            sink_class(sink.type)(sink.settings),
            name=sink.name,
            slot=self._config.source.slot,
            database=self._database,
            committed=self._sequence,
            backoff=Backoff(sink.retry),
            dead_letters=self._letters if sink.dead_letter else None,
            failed=failed,
        )

    def _committed(self, sequence: int) -> None:
        self._sequence = sequence
        for delivery in self.deliveries:
            delivery.committed(sequence)

    def _has_room(self) -> bool:
        return all(self._sequence - it.delivered < MAX_WAITING for it in self.deliveries)

    def _give_up_what_nobody_gets(self) -> None:
        for sink, results in self._store.waiting().items():
            if sink not in self._config.result_sinks:
                log.warning("results_dropped", sink=sink, results=results)
                self._store.delivered(sink, self._sequence)


def open_store(config: Config) -> ProcessingStore:
    """Open the store that the configuration names.

    Raises:
        EnvironmentProblem: it cannot be used.
        Transient: it is away.
    """
    settings, source = config.processing.store, config.source
    if settings.type == "sqlite":
        from bridge.runtime.processing.sqlite_store import SqliteStateStore

        return SqliteStateStore(
            config.state.dir, source.slot, compress=config.processing.enable_compression
        )
    from bridge.postgres.processor_state import PostgresStateStore

    return PostgresStateStore(
        store_database(settings.dsn, source),
        source.slot,
        schema=settings.schema,
        compress=config.processing.enable_compression,
        publication=source.publication,
    )


def _streaming(config: Config) -> StreamingConfig:
    settings = config.processing
    return StreamingConfig(
        batch_size=settings.batch_size,
        buffer_size=settings.buffer_size,
        row_timeout=duration_us(settings.row_timeout),
        max_buffer_memory_mb=settings.max_buffer_memory_mb,
        enable_compression=settings.enable_compression,
    )
