"""The results on their way to one sink: from the outbox in the store, through the sink's worker."""

from __future__ import annotations

from collections.abc import Callable

from bridge.core.events import Position, Source
from bridge.processing.state.store import StateStore
from bridge.runtime.processing.outbox import Outbox
from bridge.runtime.retry import Backoff
from bridge.runtime.worker import DeadLetters, SinkWorker
from sinks.base import Feed, Sink

MAX_WAITING = 100_000
"""Results that may wait for a sink. Beyond it processing is held up, and the slot waits."""


class Delivery:
    """Delivers the results for one sink, in order, apart from the stream.

    The sink takes no part in the acknowledgement: its results are durable in the store already.
    Otherwise it is a sink like any other, with retries, dead letters and pauses. The position of a
    result is ``Position(sequence, 0)``.

    Args:
        store: with the results.
        sink: the target.
        name: of the sink.
        slot: name of the replication slot.
        database: name of the database.
        committed: number of the last result in the store.
        backoff: for the sink.
        dead_letters: see ``SinkWorker``.
        failed: called once, with the error, if the sink cannot go on.
    """

    def __init__(
        self,
        store: StateStore,
        sink: Sink,
        *,
        name: str,
        slot: str,
        database: str,
        committed: int,
        backoff: Backoff,
        dead_letters: DeadLetters | None,
        failed: Callable[[Exception], None],
    ) -> None:
        self.name = name
        self._store = store
        delivered = store.deliveries().get(name, 0)
        self._noted = delivered
        source = Source(store.identity, database)
        self._outbox = Outbox(store, name, source, delivered=delivered, committed=committed)
        self._worker = SinkWorker(
            Feed(source, slot, name),
            sink,
            self._outbox,
            resume=Position(delivered, 0) if delivered else None,
            horizon=committed,
            backoff=backoff,
            dead_letters=dead_letters,
            durable=lambda _, position: self._outbox.settled(position.commit_lsn),
            failed=failed,
        )

    @property
    def delivered(self) -> int:
        """Number up to which the sink holds all of its results."""
        return self._outbox.delivered

    def start(self) -> None:
        """Start delivering."""
        self._worker.start()

    def committed(self, sequence: int) -> None:
        """Take note that the store has results up to this number. From any thread."""
        self._outbox.committed(sequence)

    def pause(self) -> None:
        """Give the sink nothing more; its results wait in the store."""
        self._worker.pause()

    def resume(self) -> None:
        """Go on delivering."""
        self._worker.resume()

    def tend(self) -> None:
        """Tell the store what the sink holds, so that it forgets that. To be called regularly."""
        delivered = self._outbox.delivered
        if delivered > self._noted:
            self._store.delivered(self.name, delivered)
            self._noted = delivered

    def drain(self) -> None:
        """Deliver what is in the store, then end. Returns at once."""
        self._worker.drain()

    def join(self, timeout_s: float) -> bool:
        """Wait for the end, at most ``timeout_s`` seconds; what is left waits in the store.

        Returns:
            Whether all was delivered.
        """
        return self._worker.join(timeout_s)
