"""The projections of one generation of a run: their storages, where they begin, their threads."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack

import structlog

from bridge.config import Config
from bridge.core.events import Position
from bridge.core.retry import RetryPolicy
from bridge.event_stores import open_storage
from bridge.eventsourcing.storage import EventStorage
from bridge.fanout import DeadLetters
from bridge.projecting import make_projections
from bridge.runtime.backlog import Backlog
from bridge.runtime.dead_letters import DeadLetterStore
from bridge.runtime.projecting.existing_rows import ExistingRows, remove_all, rows_directory
from bridge.runtime.projecting.start import resume_projection
from bridge.runtime.projecting.worker import ProjectionWorker, participant
from bridge.runtime.retry import Backoff
from bridge.runtime.state import StateStore
from bridge.starting import StartPoint, stream_start

log = structlog.get_logger()


class Projecting:
    """All projections of a run.

    Args:
        config: the configuration, with at least one projection.
        state: of dead letters.
        point: where the run begins.
        accept_gap: whether events that do not fit to the stream are appended to all the same.

    Raises:
        ConfigError: a definition cannot be used.
        GapDetected: the events in a store do not fit to the stream.
        EnvironmentProblem: a store cannot be used.
        Transient: a store is away.
    """

    def __init__(
        self, config: Config, state: StateStore, point: StartPoint, *, accept_gap: bool
    ) -> None:
        self._config = config
        self._letters = DeadLetters(DeadLetterStore(state.file))
        self._projections = make_projections(config.projections)
        source = point.source
        self._source = f"{source.system_identifier}/{source.database}/{config.source.slot}"
        self.storages: dict[str, EventStorage] = {}
        """By the name of the projection."""
        self.positions: dict[str, Position | None] = {}
        """Up to where the changes are in the storages or set aside, by the participant's name."""
        self._stored: dict[str, Position | None] = {}
        self._rows: dict[str, ExistingRows | None] = {}
        directory = rows_directory(config.state.dir, config.source.slot)
        self.workers: tuple[ProjectionWorker, ...] = ()
        with ExitStack() as opened:
            if stream_start(point, None, accept_gap=accept_gap).first:
                remove_all(directory)
            for settings in config.projections:
                storage = open_storage(settings.store, source=config.source)
                opened.callback(storage.close)
                name = participant(settings.name)
                start = stream_start(
                    point,
                    # One in memory has forgotten everything, and that is all right.
                    None if settings.store.type == "memory" else name,
                    accept_gap=accept_gap,
                )
                rows = ExistingRows.find(directory, settings.name)
                set_aside = None if rows is None else rows.last
                stored = resume_projection(storage, settings.name, self._source, start, set_aside)
                if start.rows:
                    rows = ExistingRows.begin(directory, settings.name)
                if rows is not None:
                    opened.callback(rows.close)
                self.storages[settings.name] = storage
                self._stored[settings.name], self._rows[settings.name] = stored, rows
                self.positions[name] = max(filter(None, (stored, set_aside)), default=None)
            self._opened = opened.pop_all()

    def make_workers(
        self,
        make_backlog: Callable[[], Backlog],
        *,
        durable: Callable[[str, Position], None],
        failed: Callable[[Exception], None],
    ) -> tuple[ProjectionWorker, ...]:
        """Make the workers that take part in the acknowledgement; the runner starts them.

        Args:
            make_backlog: makes one for each.
            durable: called with the name of a participant and each position that is stored.
            failed: called with the error if a projection cannot go on.
        """
        self.workers = tuple(
            ProjectionWorker(
                projection,
                self.storages[projection.name],
                make_backlog(),
                source=self._source,
                position=self._stored[projection.name],
                rows=self._rows[projection.name],
                interval_s=self._config.checkpoint.interval_ms / 1000,
                dead_letters=self._letters,
                durable=durable,
                failed=failed,
                backoff=Backoff(RetryPolicy()),
                monotonic=time.monotonic,
            )
            for projection in self._projections
        )
        return self.workers

    def rows_are_complete(self) -> None:
        """Tell of the existing rows now: see ``ProjectionWorker``."""
        for worker in self.workers:
            worker.rows_are_complete()

    def close(self) -> None:
        """Close the storages, after the runner has ended the workers."""
        for projection, worker in zip(self._projections, self.workers, strict=False):
            log.info("projection_stopped", projection=projection.name, events=worker.stored)
        self._opened.close()
