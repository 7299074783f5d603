"""The composition root: the one place that knows every part, and in which order they start and end.

A run is one or more *generations*. A generation asks the server and the checkpoint how to start,
builds the pipeline for that, and lasts until a stop or an error; the runner survives lost
connections by itself. Only an outage during the start itself makes a new generation.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from threading import Event
from typing import TYPE_CHECKING

import structlog

from bridge.config import Config
from bridge.core.errors import (
    BridgeError,
    ConfigError,
    EnvironmentProblem,
    SlotBusy,
    Transient,
)
from bridge.core.lsn import Lsn
from bridge.core.retry import RetryPolicy
from bridge.lease_keeper import LeaseKeeper
from bridge.pipeline import Pipeline
from bridge.postgres.catalog import Catalog
from bridge.postgres.connection import Database
from bridge.postgres.lease import Lease
from bridge.postgres.owned_slots import SlotFile
from bridge.postgres.publications import Publications
from bridge.postgres.server_clock import ServerClock
from bridge.postgres.slots import ReplicationConfig, ReplicationSlotManager
from bridge.runtime.retry import Backoff
from bridge.runtime.state import StateStore
from bridge.selecting import make_selection
from bridge.starting import Starter, StartPoint
from bridge.streaming import Connector
from bridge.watching import ClockWatch, Periodically, SlotGivenUp, SlotWatch

if TYPE_CHECKING:
    from bridge.projecting.running import Projecting
    from bridge.stream_processing import StreamProcessing

log = structlog.get_logger()

_STANDBY_WAIT_S = 1.0
_CONFIRM_WAIT_S = 3.0
_SINKS_EVERY_S = 0.25
"""How soon a pause is noticed."""
_CLOCK_EVERY_S = 1.0
"""How late a window of an idle database may be told, at most about this much."""


class Bridge:
    """A configured bridge.

    Args:
        config: validated.
        accept_gap: go on although changes between the checkpoint and the slot are lost.
    """

    def __init__(self, config: Config, *, accept_gap: bool = False) -> None:
        self._config = config
        self._accept_gap = accept_gap
        _check_processors(config)
        _check_projections(config)
        self._selections = {sink.name: make_selection(sink) for sink in config.sinks}
        self._stopping = Event()
        self._pipeline: Pipeline | None = None
        self._failure: Exception | None = None
        self._standby = False
        source = config.source
        instance = source.instance or socket.gethostname()
        name = f"pgbridge/{source.slot}/{instance}"
        self._database = Database(source.dsn, application_name=name)
        self._sql = (
            Database(source.sql_dsn, application_name=name) if source.sql_dsn else (self._database)
        )

    def stop(self) -> None:
        """Ask for an orderly end. Safe from any thread and from a signal handler."""
        self._stopping.set()
        pipeline = self._pipeline
        if pipeline is not None:
            pipeline.stop()

    def run(self) -> None:
        """Run until ``stop``, or until the snapshot is done if that is all that was asked for.

        Raises:
            BridgeError: the bridge cannot go on. What is durable was saved.
        """
        config = self._config
        backoff = Backoff(RetryPolicy())
        with ExitStack() as stack:
            lease = stack.enter_context(
                LeaseKeeper(self._new_lease, config.source.lease_seconds, failed=self._fail)
            )
            if not self._wait_for(lease):
                return
            store = stack.enter_context(StateStore(config.state.dir))
            while not self._stopping.is_set():
                try:
                    self._generation(store, lease)
                    break
                except SlotBusy as busy:
                    self._note_standby(busy.message)
                    self._stopping.wait(_STANDBY_WAIT_S)
                except Transient as error:
                    delay = backoff.next_delay() or 0.0
                    log.warning("start_retry", error=error.message, delay_s=round(delay, 3))
                    self._stopping.wait(delay)

        if self._failure is not None:
            raise self._failure

    def _begin_processing(
        self, parts: ExitStack, store: StateStore, point: StartPoint
    ) -> StreamProcessing | None:
        """Return the processors with their states; None if there are none."""
        if not self._config.processors:
            return None
        from bridge.stream_processing import StreamProcessing, open_store

        results = open_store(self._config)
        parts.callback(results.close)
        return StreamProcessing(self._config, store, results, point, accept_gap=self._accept_gap)

    def _begin_projecting(
        self, parts: ExitStack, store: StateStore, point: StartPoint
    ) -> Projecting | None:
        """Return the projections, each behind what it has stored; None if there are none.

        Read models follow their events from here on.
        """
        if not self._config.projections:
            return None
        from bridge.projecting.running import Projecting

        projecting = Projecting(self._config, store, point, accept_gap=self._accept_gap)
        parts.callback(projecting.close)
        if self._config.read_models:
            from bridge.read_models import Followers

            parts.enter_context(Followers(self._config, projecting.storages))
        return projecting

    @contextmanager
    def _watch_clock(self, pipeline: Pipeline) -> Iterator[None]:
        """Tell the processors, if there are any, what time it is at the server."""
        if not self._config.processors:
            yield
            return
        with closing(ServerClock(self._sql)) as clock:
            look = ClockWatch(clock, pipeline.note_time).look
            with Periodically("clock", _CLOCK_EVERY_S, look, self._fail):
                yield

    def _fail(self, error: Exception) -> None:
        """End the run with an error. Called by the threads that watch."""
        self._failure = self._failure or error
        pipeline = self._pipeline
        if pipeline is not None:
            pipeline.fail(error)
        self._stopping.set()

    def _new_lease(self) -> Lease:
        source = self._config.source
        return Lease(self._sql, source.slot, timeout_s=source.lease_seconds)

    def _note_standby(self, reason: str) -> None:
        if not self._standby:
            log.info("standby", slot=self._config.source.slot, reason=reason)
            self._standby = True

    def _wait_for(self, lease: LeaseKeeper) -> bool:
        """Be a hot standby until the slot is free. Returns False if a stop came first."""
        while not self._stopping.is_set():
            try:
                if lease.acquire():
                    self._standby = False
                    return True
            except Transient as error:  # a standby outlives the server's restarts
                log.warning("start_retry", error=error.message, delay_s=_STANDBY_WAIT_S)
            else:
                self._note_standby("lease held elsewhere")
            self._stopping.wait(_STANDBY_WAIT_S)
        return False

    def _generation(self, store: StateStore, lease: LeaseKeeper) -> None:
        config = self._config
        slots = ReplicationSlotManager(
            ReplicationConfig(
                max_slots=config.slots.max_slots,
                stale_threshold_seconds=config.slots.stale_threshold_seconds,
                auto_cleanup=config.slots.auto_cleanup,
                max_lag=config.slots.max_lag_bytes,
            ),
            self._sql,
            owned=SlotFile(config.state.dir / "slots.json"),
        )
        starter = Starter(config, self._database, self._sql, slots, store)
        if config.slots.auto_cleanup:
            slots.cleanup_stale_slots()
        with ExitStack() as parts, ExitStack() as first_start:
            point = first_start.enter_context(starter.start(accept_gap=self._accept_gap))
            processing = self._begin_processing(parts, store, point)
            projecting = self._begin_projecting(parts, store, point)
            pipeline = self._pipeline = Pipeline(
                config, store, point, Catalog(self._sql), self._selections, processing, projecting
            )
            connect = Connector(
                config.source,
                self._database,
                slots,
                lease,
                point.server,
                confirmed=pipeline.confirmed,
                wakeup=pipeline.wakeup.fileno(),
            )
            watch = SlotWatch(config, slots, Publications(self._sql), holders=pipeline.holders)
            interval_s = config.wal_budget.check_interval_seconds
            sinks_s = min(_SINKS_EVERY_S, config.checkpoint.interval_ms / 1000)
            try:
                with (
                    Periodically("slot", interval_s, watch.look, self._fail),
                    Periodically("sinks", sinks_s, pipeline.look_at_sinks, self._fail),
                    self._watch_clock(pipeline),
                ):
                    if self._stopping.is_set() or not pipeline.deliver_first(point):
                        return
                    first_start.close()  # what was needed for the snapshot
                    if config.source.snapshot != "only":
                        pipeline.stream(connect)
            except SlotGivenUp:
                pipeline.close()
                drop_given_up(slots, config.source.slot, _CONFIRM_WAIT_S)
                raise
            finally:
                self._pipeline = None
                pipeline.close()
            _wait_until_confirmed(slots, config.source.slot, pipeline.confirmed())


def _check_processors(config: Config) -> None:
    """Raise what is wrong with a definition now, before anything is made on the server."""
    if not config.processors:
        return
    from bridge.dataflow import make_dataflows

    if config.source.snapshot == "only":
        raise ConfigError(
            "There are processors, but source.snapshot is only: rows without a stream give no "
            "results.",
            remedy="Set source.snapshot to initial or never, or take out the processors.",
        )
    make_dataflows(config.processors)


def _check_projections(config: Config) -> None:
    """Raise what is wrong with a definition now, before anything is made on the server."""
    if not config.projections:
        return
    from bridge.projecting import make_projections

    if config.source.snapshot == "only":
        raise ConfigError(
            "There are projections, but source.snapshot is only: the events would not go on.",
            remedy="Set source.snapshot to initial or never, or take out the projections.",
        )
    make_projections(config.projections)
    if config.read_models:
        from bridge.read_models import load_read_models

        load_read_models(config)


def drop_given_up(slots: ReplicationSlotManager, name: str, wait_s: float) -> None:
    """Drop the slot as soon as the server has noticed that nobody streams from it any more.

    Raises:
        EnvironmentProblem: it is still there.
    """
    deadline = time.monotonic() + wait_s
    pause = Event()
    while True:
        try:
            slots.drop_slot(name)
            return
        except BridgeError as error:
            if not isinstance(error, SlotBusy) or time.monotonic() >= deadline:
                raise EnvironmentProblem(
                    f"Slot {name!r} makes the server keep more WAL than wal_budget.max_bytes, and "
                    f"could not be dropped: {error.message}",
                    remedy=f"Drop it: pgbridge slots drop {name}",
                ) from error
        pause.wait(0.05)


def _wait_until_confirmed(slots: ReplicationSlotManager, name: str, confirmed: Lsn) -> None:
    """Give the server a moment to take in the last status: the next start then repeats nothing."""
    deadline = time.monotonic() + _CONFIRM_WAIT_S
    pause = Event()
    try:
        while time.monotonic() < deadline:
            slot = slots.get_slot(name)
            if slot is None or (slot.confirmed_flush_lsn or 0) >= confirmed:
                return
            pause.wait(0.05)
    except BridgeError as error:
        log.warning("final_status_unknown", error=error.message)
