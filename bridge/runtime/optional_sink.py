"""An optional sink: its spill, the worker that fills it, and the worker that feeds the sink."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Lock

import structlog

from bridge.core.errors import BridgeError, EnvironmentProblem
from bridge.core.events import Position
from bridge.core.lsn import Lsn
from bridge.core.retry import RetryPolicy
from bridge.core.selection import Selection
from bridge.log import mask
from bridge.runtime.backlog import Backlog, BacklogLimits
from bridge.runtime.retry import Backoff
from bridge.runtime.sink_states import SinkStates
from bridge.runtime.spill.inlet import Inlet
from bridge.runtime.spill.log import Spill
from bridge.runtime.worker import DeadLetters, SinkWorker
from sinks.base import Feed, Sink

log = structlog.get_logger()


class OptionalSink:
    """Feeds one sink without making the slot wait for it.

    ``worker`` is what the stream sees: it takes part in the acknowledgement, and holds an event as
    soon as that is in the spill. The worker behind the spill has a position of its own.

    Args:
        feed: what the sink is fed with.
        sink: the target.
        directory: of the spill.
        spill_bytes: its size.
        memory: bounds of each of the two queues in memory.
        backlog: between the stream and the spill.
        selection: what the sink gets. What is left out of a row is left out behind the spill, so
            that dead letters are whole.
        states: what is remembered of the sinks.
        resume: up to where the spill was filled, as far as the checkpoint knows.
        horizon: see ``SinkWorker``; without one, positions start over.
        backoff: for the sink.
        dead_letters: see ``SinkWorker``.
        durable: called with the name and the position up to which the spill is filled.
        failed: called once, with the error, if either worker cannot go on.
        clock: seconds since the Unix epoch.

    Raises:
        EnvironmentProblem: the spill cannot be used.
    """

    def __init__(
        self,
        feed: Feed,
        sink: Sink,
        directory: Path,
        *,
        spill_bytes: int,
        memory: BacklogLimits,
        backlog: Backlog,
        selection: Selection | None,
        states: SinkStates,
        resume: Position | None,
        horizon: Lsn | None,
        backoff: Backoff,
        dead_letters: DeadLetters | None,
        durable: Callable[[str, Position], None],
        failed: Callable[[Exception], None],
        clock: Callable[[], float],
    ) -> None:
        self.name = name = feed.name
        self._states = states
        self._clock = clock
        self._delivered: Position | None = None
        self._saved: Position | None = None
        self._saving = Lock()
        self._log = log.bind(sink=name)
        gaps = states.gaps()
        try:
            self._spill = Spill(
                directory,
                limit_bytes=spill_bytes,
                memory=memory,
                delivered=states.delivered().get(name),
                forget=self._forget,
            )
            if horizon is None:
                self._spill.begin_history()
        except OSError as error:
            raise EnvironmentProblem(
                f"The spill {directory} cannot be used: {error.strerror}.",
                remedy="Check the owner, the permissions and the disk of state.dir.",
            ) from error
        self._inlet = Inlet(
            self._spill,
            self,
            in_gap=name in gaps,
            since=None if horizon is None else gaps.get(name),
            until=resume,
            may_go_on=lambda: not self._outlet.paused,
            clock=clock,
        )
        self.worker = SinkWorker(
            feed,
            self._inlet,
            backlog,
            resume=resume,
            horizon=horizon,
            backoff=Backoff(RetryPolicy()),
            dead_letters=dead_letters,
            durable=durable,
            failed=failed,
            selection=None if selection is None else Selection(filter=selection.filter),
            thread=f"spill-{name}",
        )
        self._outlet = SinkWorker(
            feed,
            sink,
            self._spill,
            resume=self._spill.delivered,
            horizon=horizon,
            backoff=backoff,
            dead_letters=dead_letters,
            durable=self._note,
            failed=failed,
            selection=None if selection is None else Selection(shape=selection.shape),
            paused=name in states.pauses(),
            give_up=self._give_up,
        )

    def start(self) -> None:
        """Start feeding the sink. The worker that fills the spill is started by the runner."""
        self._outlet.start()

    def pause(self) -> None:
        """Feed the sink nothing more; the spill takes what comes."""
        self._outlet.pause()

    def resume(self) -> None:
        """Go on feeding the sink."""
        self._outlet.resume()

    def tend(self) -> None:
        """Save how far the sink is, and end a gap that can be ended. To be called regularly."""
        self._save()
        self._inlet.tend()

    def close(self, timeout_s: float) -> None:
        """End both workers: the sink may finish what it was given, the rest waits on disk."""
        self._spill.stop()
        self._outlet.drain()
        self._outlet.join(timeout_s)
        self._save()
        waiting = self._spill.waiting
        if waiting.events:
            self._log.info("spill_kept", events=waiting.events, bytes=waiting.bytes)
        self._spill.close()

    # What the spill reports

    def begin(self, since: Position | None, why: str) -> None:
        """See ``OpenGap``."""
        self._states.begin_gap(self.name, since)
        self._log.error("sink_gap_begun", since=None if since is None else str(since), reason=why)
        self._pause(why)

    def end(self) -> None:
        """See ``OpenGap``."""
        self._states.end_gap(self.name)
        self._log.warning("sink_gap_ended")

    def _give_up(self, error: BridgeError) -> None:
        self._pause(mask(error.message))  # it is stored

    def _pause(self, reason: str) -> None:
        self._states.pause(self.name, reason, self._clock())
        self._log.error("sink_paused", reason=reason)
        self._outlet.pause()

    def _note(self, _: str, position: Position) -> None:
        self._delivered = position

    def _save(self) -> None:
        with self._saving:
            position = self._delivered
            if position is not None and position != self._saved:
                self._states.save_delivered(self.name, position)
                self._saved = position

    def _forget(self) -> None:
        with self._saving:
            self._delivered = self._saved = None
            self._states.forget_delivered(self.name)
