"""A thread that folds new events into the view of a read model, for as long as the bridge runs.

It never holds the slot: the events are in their store. Whatever goes wrong is logged, and tried
again later; what cannot be folded is parked beside the view.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, Final

import structlog

from bridge.core.errors import BridgeError, Transient
from bridge.core.retry import Backoff
from bridge.eventsourcing.read_models.fold import fold
from bridge.eventsourcing.read_models.model import ReadModel, StepFailed
from bridge.eventsourcing.read_models.rebuild import BATCH, read_batch
from bridge.eventsourcing.read_models.views import (
    Build,
    EventSource,
    ParkedEvent,
    Superseded,
    ViewStorage,
    outdated,
    park,
)

if TYPE_CHECKING:
    from bridge.eventsourcing.events import DomainEvent

log = structlog.get_logger()

_IDLE_S: Final = 0.2
"""How long an event may wait to be seen."""


class Follower(Thread):
    """Follows the events of one store for one read model.

    Args:
        name: of the read model.
        model: the read model.
        events: the event store.
        open_views: opens the view; called again after an error.
        backoff: for the pauses after errors.
        clock: seconds since the Unix epoch.
    """

    def __init__(
        self,
        name: str,
        model: ReadModel[Any],
        events: EventSource,
        open_views: Callable[[], ViewStorage],
        *,
        backoff: Backoff,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(name=f"read-model-{name}", daemon=True)
        self._read_model = name
        self._model = model
        self._events = events
        self._open_views = open_views
        self._backoff = backoff
        self._clock = clock
        self._views: ViewStorage | None = None
        self._build: Build | None = None
        self._refused: str | None = None
        self._stopping = Event()

    def stop(self) -> None:
        """Ask it to end after the batch that it is at. Safe from any thread."""
        self._stopping.set()

    def run(self) -> None:
        pause = 0.0
        while not self._stopping.wait(pause):
            try:
                pause = self._turn()
            except Superseded:
                self._build = None  # a rebuild has taken its place: go on where that one stands
                pause = 0.0
            except Exception as error:
                pause = self._note(error)
        self._close()

    def _turn(self) -> float:
        """Fold what there is, at most a batch. Returns for how long to pause, in seconds."""
        if self._views is None:
            self._views = self._open_views()
        if self._build is None:
            self._build = self._find(self._views)
        if self._build is None:
            return _IDLE_S
        batch = read_batch(self._events, self._build.position)
        if batch:
            self._build = self._fold(self._views, self._build, batch)
        self._backoff.reset()
        return 0.0 if len(batch) == BATCH else _IDLE_S

    def _find(self, views: ViewStorage) -> Build | None:
        """Return the live build, made if there is none; None if this read model does not fit it."""
        build = views.live()
        if build is None:
            build = views.begin(self._model.version, self._events.identity, live=True)
        reason = outdated(build, self._model, self._events)
        if reason is not None and reason != self._refused:
            log.error(
                "read_model_outdated",
                read_model=self._read_model,
                reason=reason,
                remedy=f"pgbridge events rebuild {self._read_model}",
            )
        self._refused = reason
        if reason is not None:
            return None
        log.info("read_model_followed", read_model=self._read_model, position=build.position)
        return build

    def _fold(self, views: ViewStorage, build: Build, batch: list[DomainEvent]) -> Build:
        parked: list[ParkedEvent] = []

        def refuse(event: DomainEvent, failure: StepFailed) -> None:
            parked.append(park(event, str(failure), self._clock()))

        changes = fold(self._model, batch, lambda keys: views.rows(build, keys), refuse)
        parked.sort()  # keys are found before anything is folded
        moved = views.commit(build, batch[-1].global_sequence, changes, parked)
        if parked:
            log.error(
                "read_model_parked",
                read_model=self._read_model,
                events=len(parked),
                first=parked[0].global_sequence,
                reason=parked[0].reason,
            )
        return moved

    def _note(self, error: Exception) -> float:
        """Log an error and begin again. Returns for how long to pause, in seconds."""
        self._close()
        pause = self._backoff.next_delay() or 0.0
        facts = {"read_model": self._read_model, "delay_s": round(pause, 3)}
        if isinstance(error, Transient):
            log.warning("read_model_retry", error=error.message, **facts)
        elif isinstance(error, BridgeError):
            log.error("read_model_retry", error=str(error), **facts)
        else:  # a fault of ours; its text may quote a value
            log.error("read_model_retry", error=type(error).__name__, **facts)
        return pause

    def _close(self) -> None:
        views, self._views, self._build = self._views, None, None
        if views is not None:
            views.close()
