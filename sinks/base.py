"""What a sink is: five methods, called by one thread, in the order of the stream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from bridge.core.events import EventBatch, Position, Source


@dataclass(frozen=True, slots=True)
class Rejection:
    """An event that the sink can never accept, however often it is tried.

    Attributes:
        position: of the event.
        reason: why, in a sentence without row values.
    """

    position: Position
    reason: str


@dataclass(frozen=True, slots=True)
class Progress:
    """What has become of the events written so far.

    Attributes:
        durable: every event up to this position is held durably by the target, or is among the
            rejections reported so far; None if nothing is yet.
        rejections: events that were refused since the last report.
    """

    durable: Position | None
    rejections: tuple[Rejection, ...] = ()


@dataclass(frozen=True, slots=True)
class Feed:
    """What a sink is fed with, and under which name: a target that keeps positions keeps one for
    each feed.

    Attributes:
        source: the database that the events come from.
        slot: name of the replication slot.
        name: of the sink in the configuration.
    """

    source: Source
    slot: str
    name: str


class Sink(Protocol):
    """A target for events.

    One worker thread owns the sink and makes all calls. Batches come in the order of their
    positions, each event once between ``open`` and ``close``; after an error the worker calls
    ``close`` and ``open`` again and repeats every event that was not reported as durable.

    A session, from ``open`` to ``close``, reports on what was written in it: a replay of dead
    letters writes events that lie before others that the target holds already.

    Accepted is not durable: a position is reported only when the target itself has confirmed
    everything up to it (an fsync, a broker's acknowledgement, a 2xx).

    Every method may raise ``Transient`` (the worker retries with backoff), ``ConfigError`` or
    ``EnvironmentProblem`` (the bridge stops). Any other exception is a fault of the sink and
    stops the bridge too.
    """

    def open(self, feed: Feed) -> Position | None:
        """Connect, and return the last position of ``feed`` that the target proves to hold.

        Events up to it are not written again. None if the target cannot tell, or if it may have
        refused one of them: a refused event is parked only after it was reported.
        """

    def write(self, batch: EventBatch) -> None:
        """Accept the batch; may buffer it, may block for as long as the target is slow."""

    def poll(self) -> Progress:
        """Drive what is under way, without waiting for more than one round of it."""

    def flush(self, timeout: float) -> Progress:
        """Wait until everything accepted is durable, at most ``timeout`` seconds."""

    def close(self) -> None:
        """Release everything. Does not flush; never raises for a target that has gone away."""
