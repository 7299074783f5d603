"""What is durable where, shared between the threads, and written down before Postgres hears of it.

The order is what makes restarts safe: a sink holds the events durably, then the checkpoint says so,
then the server is told. A slot that stands beyond the checkpoint was therefore moved by somebody
else, and the bridge can tell.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from threading import Condition, Thread

from bridge.core.acks import AckTracker
from bridge.core.events import Commit, Position
from bridge.core.lsn import Lsn

Save = Callable[[Lsn, Mapping[str, Position]], None]
"""Writes the confirmed LSN and the positions of the sinks durably."""


class Ledger:
    """Guards an ``AckTracker`` and saves its progress in a thread of its own.

    Args:
        tracker: with the positions known at the start.
        save: called whenever there is progress, at most every ``interval_s`` seconds.
        interval_s: the window within which a crash makes events come again.
        progressed: called after each save.
        failed: called once, with the error, if saving fails.
    """

    def __init__(
        self,
        tracker: AckTracker,
        save: Save,
        *,
        interval_s: float,
        progressed: Callable[[], None],
        failed: Callable[[Exception], None],
    ) -> None:
        self._tracker = tracker
        self._save = save
        self._interval_s = interval_s
        self._progressed = progressed
        self._failed = failed
        self._changed = Condition()
        self._positions: dict[str, Position] = {
            name: position for name, position in tracker.durable.items() if position is not None
        }
        self._flush = tracker.confirmed
        self._dirty = False
        self._ending = False
        self._thread = Thread(target=self._run, name="ledger", daemon=True)

    @property
    def flush(self) -> Lsn:
        """What may be told to the server: the confirmed LSN of the last checkpoint."""
        return self._flush

    @property
    def received(self) -> Lsn:
        """The highest WAL position that the server has sent."""
        return self._tracker.received

    @property
    def handed(self) -> Position | None:
        """Position of the last event handed to the sinks."""
        with self._changed:
            return self._tracker.handed

    @property
    def seen(self) -> tuple[Lsn, Position | None]:
        """``received`` and ``handed`` of one moment.

        Every transaction that commits before the first was handed out up to the second, except
        one that is open: that one commits behind the first.
        """
        with self._changed:
            return self._tracker.received, self._tracker.handed

    @property
    def outstanding(self) -> bool:
        """Whether the sinks owe anything, or the checkpoint lags behind them."""
        with self._changed:
            return self._dirty or self._tracker.outstanding

    @property
    def holders(self) -> tuple[str, ...]:
        """The sinks that hold the slot back."""
        with self._changed:
            return self._tracker.holders

    def start(self) -> None:
        """Start saving."""
        self._thread.start()

    def hand_out(
        self, last: Position | None, commits: Sequence[Commit], *, open_transaction: bool
    ) -> None:
        """See ``AckTracker.hand_out``; to be called before the sinks get the events."""
        with self._changed:
            before = self._tracker.confirmed
            self._tracker.hand_out(last, commits, open_transaction=open_transaction)
            self._note(before)

    def keepalive(self, wal_end: Lsn) -> None:
        """See ``AckTracker.keepalive``."""
        with self._changed:
            before = self._tracker.confirmed
            self._tracker.keepalive(wal_end)
            self._note(before)

    def stream_restarted(self) -> None:
        """See ``AckTracker.stream_restarted``."""
        with self._changed:
            self._tracker.stream_restarted()

    def became_durable(self, sink: str, position: Position) -> None:
        """Take note that ``sink`` holds everything up to ``position``. Called by the workers."""
        with self._changed:
            self._tracker.became_durable(sink, position)
            self._positions[sink] = position
            self._dirty = True
            self._changed.notify()

    def close(self) -> None:
        """Save what is left and end the thread."""
        with self._changed:
            self._ending = True
            self._changed.notify()
        self._thread.join()

    def _note(self, before: Lsn) -> None:
        if self._tracker.confirmed != before:
            self._dirty = True
            self._changed.notify()

    def _run(self) -> None:
        try:
            while self._save_next():
                pass
        except Exception as error:  # without this thread nothing would be confirmed any more
            self._failed(error)

    def _save_next(self) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._dirty or self._ending)
            if not self._dirty:
                return False
            confirmed, positions = self._tracker.confirmed, dict(self._positions)
            self._dirty = False
        self._save(confirmed, positions)
        self._flush = confirmed
        self._progressed()
        with self._changed:
            # Not a sleep: whoever ends the bridge need not wait for the interval.
            self._changed.wait_for(lambda: self._ending, self._interval_s)
        return True
