"""The sinks of one generation of a run: a worker for each, pauses, and what optional ones need.

Sinks that get results of processors are fed from elsewhere; here they are paused and resumed.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from bridge.config import Config, SinkConfig
from bridge.core.errors import ConfigError
from bridge.core.events import CdcEvent, Position
from bridge.core.selection import Selection
from bridge.runtime.backlog import Backlog, BacklogLimits
from bridge.runtime.dead_letters import DeadLetterStore
from bridge.runtime.optional_sink import OptionalSink
from bridge.runtime.retry import Backoff
from bridge.runtime.sink_states import SinkStates
from bridge.runtime.spill.segments import waiting_in
from bridge.runtime.state import StateStore
from bridge.runtime.worker import SinkWorker
from bridge.starting import StartPoint
from sinks.base import Feed
from sinks.formats.native import encode_native
from sinks.registry import sink_class

if TYPE_CHECKING:
    from bridge.runtime.processing.delivery import Delivery

log = structlog.get_logger()


class FanOut:
    """Every sink that gets changes, with its worker.

    Args:
        config: the configuration.
        store: of dead letters, pauses and positions.
        point: where the run begins.
        selections: what each sink gets, by name; None for everything.
        deliveries: of the sinks that get results.
        room: called when a backlog that was full has room again.
        durable: called with the name of a sink and the position up to which its events are held.
        failed: called with the error if a sink cannot go on.

    Raises:
        ConfigError: a required sink still has events in a spill.
        EnvironmentProblem: a spill cannot be used.
    """

    def __init__(
        self,
        config: Config,
        store: StateStore,
        point: StartPoint,
        selections: Mapping[str, Selection | None],
        deliveries: Sequence[Delivery] = (),
        *,
        room: Callable[[], None],
        durable: Callable[[str, Position], None],
        failed: Callable[[Exception], None],
    ) -> None:
        self._config = config
        self._point = point
        self._selections = selections
        self._deliveries = {delivery.name: delivery for delivery in deliveries}
        self._room = room
        self._durable = durable
        self._failed = failed
        self._states = SinkStates(store.file, point.checkpoint.slot)
        self._letters = DeadLetters(DeadLetterStore(store.file))
        self._spills = spill_directory(config.state.dir, point.checkpoint.slot)
        self._clear_away()
        self._paused = self._states.pauses()
        self._required: dict[str, SinkWorker[Backlog]] = {}
        self._optional: dict[str, OptionalSink] = {}
        self.workers: list[SinkWorker[Backlog]] = []
        """Those that take part in the acknowledgement, in the order of the configuration."""
        for sink in config.sinks:
            if sink.name in self._paused:
                log.warning("sink_paused", sink=sink.name, reason=self._paused[sink.name].reason)
            if sink.name in self._deliveries:
                if sink.name in self._paused:
                    self._deliveries[sink.name].pause()
                continue
            if self._is_optional(sink):
                optional = self._optional[sink.name] = self._make_optional(sink)
                self.workers.append(optional.worker)
            else:
                required = self._required[sink.name] = self._make_required(sink)
                self.workers.append(required)

    def start(self) -> None:
        """Start what the runner does not start."""
        for optional in self._optional.values():
            optional.start()

    def look(self) -> None:
        """Do what operators have asked for meanwhile, and save positions. Called regularly."""
        paused = self._states.pauses()
        sinks: dict[str, SinkWorker[Backlog] | OptionalSink | Delivery] = {
            **self._required,
            **self._optional,
            **self._deliveries,
        }
        for name, sink in sinks.items():
            if name in paused and name not in self._paused:
                sink.pause()
                log.warning("sink_paused", sink=name, reason=paused[name].reason)
            elif name in self._paused and name not in paused:
                sink.resume()
                log.info("sink_resumed", sink=name)
        self._paused = paused
        for optional in self._optional.values():
            optional.tend()

    def close(self, timeout_s: float) -> None:
        """End what feeds optional sinks, after the runner has ended its workers.

        Args:
            timeout_s: how long they may take for what they were given; the rest waits on disk.
        """
        deadline = time.monotonic() + timeout_s
        for optional in self._optional.values():
            optional.close(max(0.0, deadline - time.monotonic()))

    def _is_optional(self, sink: SinkConfig) -> bool:
        # A run that only reads the existing rows ends when they have arrived.
        return not sink.required and self._config.source.snapshot != "only"

    def _make_required(self, sink: SinkConfig) -> SinkWorker[Backlog]:
        waiting = waiting_in(self._spills / sink.name, self._states.delivered().get(sink.name))
        if waiting.events:
            raise ConfigError(
                f"Sink {sink.name!r} is required now, but {waiting.events} events wait in its "
                f"spill, {self._spills / sink.name}.",
                remedy="Run with required: false until they are delivered, or delete the "
                "directory: the sink then misses them.",
            )
        return SinkWorker(
            self._feed(sink),
            sink_class(sink.type)(sink.settings),
            make_backlog(self._config, self._room),
            resume=self._point.checkpoint.positions.get(sink.name),
            horizon=self._horizon(),
            backoff=Backoff(sink.retry),
            dead_letters=self._letters if sink.dead_letter else None,
            durable=self._durable,
            failed=self._failed,
            selection=self._selections[sink.name],
            paused=sink.name in self._paused,
        )

    def _make_optional(self, sink: SinkConfig) -> OptionalSink:
        return OptionalSink(
            self._feed(sink),
            sink_class(sink.type)(sink.settings),
            self._spills / sink.name,
            spill_bytes=sink.spill_bytes,
            memory=_limits(self._config),
            backlog=make_backlog(self._config, self._room),
            selection=self._selections[sink.name],
            states=self._states,
            resume=self._point.checkpoint.positions.get(sink.name),
            horizon=self._horizon(),
            backoff=Backoff(sink.retry),
            dead_letters=self._letters if sink.dead_letter else None,
            durable=self._durable,
            failed=self._failed,
            clock=time.time,
        )

    def _feed(self, sink: SinkConfig) -> Feed:
        return Feed(self._point.source, self._config.source.slot, sink.name)

    def _horizon(self) -> int | None:
        return self._point.server.wal_lsn if self._point.trust_sinks else None

    def _clear_away(self) -> None:
        """Remove what is left of sinks that are not configured any more."""
        names = {sink.name for sink in self._config.sinks}
        streamed = names - self._config.result_sinks
        delivered = self._states.delivered()
        if self._spills.is_dir():
            for directory in self._spills.iterdir():
                if directory.name not in streamed:
                    waiting = waiting_in(directory, delivered.get(directory.name))
                    log.warning("spill_dropped", sink=directory.name, events=waiting.events)
                    shutil.rmtree(directory)
        self._states.forget_others(names)


def make_backlog(
    config: Config, room: Callable[[], None], max_events: int | None = None
) -> Backlog:
    """Make a backlog with the bounds of the configuration.

    Args:
        config: the configuration.
        room: called when the backlog was full and has room again.
        max_events: in memory; as for sinks by default.
    """
    limits = _limits(config)
    if max_events is not None:
        limits = replace(limits, max_events=max_events)
    return Backlog(limits, config.state.dir, room)


def _limits(config: Config) -> BacklogLimits:
    pressure = config.backpressure
    return BacklogLimits(
        max_events=pressure.max_events,
        max_bytes=pressure.max_bytes,
        spool_bytes=pressure.spool_bytes,
    )


def spill_directory(state: Path, slot: str) -> Path:
    """Return where the spills of the sinks of a slot are, each under the sink's name."""
    return state / "spill" / slot


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
