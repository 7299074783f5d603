"""Publishes numbered messages over several connections, and knows what has become of them.

The worker's thread publishes and asks; one thread of the publisher's own serves all connections,
heartbeats included, so that they live while the worker has nothing to do or waits for something
else. Messages cross between the two in bulk: one wake-up and a few writes for hundreds of them.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from threading import Condition, Thread

import structlog
from pika.adapters.select_connection import IOLoop

from bridge.core.errors import BridgeError, Transient
from sinks.rabbitmq.config import RabbitMqConfig
from sinks.rabbitmq.confirms import Confirms, Published
from sinks.rabbitmq.failures import too_large
from sinks.rabbitmq.lane import Lane, connection_parameters
from sinks.rabbitmq.messages import Message

log = structlog.get_logger()

_CLOSE_TIMEOUT_S = 2.0
_WRITE_BYTES = 64 * 1024
"""Messages are written in pieces of about this size; a socket takes no more at once."""

# Its errors come to us as exceptions, and it logs them once more with a traceback each.
logging.getLogger("pika").setLevel(logging.CRITICAL)


class Publisher:
    """The connections of one session.

    Args:
        config: of the sink.
        name: of the sink, for the log.
        connection_name: as the broker shows it.
        starting: whether the sink has never been open.

    Attributes:
        max_message_bytes: what the broker says is the largest message, if it had to say so.
    """

    def __init__(
        self, config: RabbitMqConfig, *, name: str, connection_name: str, starting: bool
    ) -> None:
        self._config = config
        self._log = log.bind(sink=name)
        self._thread_name = f"sink-{name}-amqp"
        self._connection_name = connection_name
        self._starting = starting
        self._changed = Condition()
        self._lanes: list[Lane] = []
        self._confirms = [Confirms() for _ in range(config.connections)]
        self._ready: set[int] = set()
        self._blocked: dict[int, str] = {}
        self._failure: BridgeError | None = None
        self._unroutable = False
        self._loop: IOLoop | None = None
        self._thread: Thread | None = None
        self.max_message_bytes: int | None = None

    # The worker's side

    def open(self) -> None:
        """Connect, and make ready to publish.

        Raises:
            BridgeError: it is not possible, for now or for good.
        """
        parameters = connection_parameters(self._config, self._connection_name)
        loop = self._loop = IOLoop()
        self._lanes = [
            Lane(
                number,
                self._config,
                parameters,
                starting=self._starting,
                loop=loop,
                watcher=self,
            )
            for number in range(self._config.connections)
        ]
        self._thread = Thread(target=self._serve, name=self._thread_name, daemon=True)
        self._thread.start()
        # Twice, because the connection has a timeout of its own, with a better reason.
        deadline = time.monotonic() + 2 * self._config.connect_timeout_seconds
        with self._changed:
            while len(self._ready) < len(self._lanes) and self._failure is None:
                if not self._changed.wait(deadline - time.monotonic()):
                    raise Transient(
                        f"RabbitMQ at {self._config.address.endpoint} accepts a connection, but "
                        "does not answer."
                    )
            if self._failure is not None:
                raise self._failure

    @property
    def frame_max(self) -> int:
        """The largest frame that the broker takes, in bytes."""
        return min(lane.frame_max for lane in self._lanes)

    def room(self) -> tuple[int, int]:
        """Return how many messages, and of how many bytes, may be published now."""
        with self._changed:
            if self._failure is not None or any(c.refused for c in self._confirms):
                return 0, 0
            messages = self._config.max_in_flight - sum(len(c) for c in self._confirms)
            size = self._config.max_in_flight_bytes - sum(c.size for c in self._confirms)
        return max(0, messages), max(0, size)

    def publish(self, lane: int, messages: Sequence[tuple[int, Message]]) -> None:
        """Publish messages, each with its number, on one of the lanes; returns at once."""
        runs: list[bytes] = []
        run: list[bytes] = []
        size = 0
        with self._changed:
            confirms = self._confirms[lane]
            for number, message in messages:
                frames = message.frames
                confirms.published(Published(number, message.message_id, len(frames)))
                run.append(frames)
                size += len(frames)
                if size >= _WRITE_BYTES:
                    runs.append(b"".join(run))
                    run, size = [], 0
        if run:
            runs.append(b"".join(run))
        self._in_io_thread(partial(self._emit, self._lanes[lane], runs))

    def settled_before(self, end: int) -> int:
        """Return the number of the first message that is not settled, ``end`` if all are."""
        with self._changed:
            return min((c.first for c in self._confirms if c.first is not None), default=end)

    def stuck_at(self) -> int | None:
        """Return the number of a refused message before which everything is settled."""
        with self._changed:
            firsts = [(c.first, c.stuck) for c in self._confirms if c.first is not None]
            first, stuck = min(firsts, default=(None, False))
            return first if stuck else None

    @property
    def failure(self) -> BridgeError | None:
        """Why the connections are over; None while they live."""
        return self._failure

    @property
    def unroutable(self) -> bool:
        """Whether a message came back because no queue was bound for it."""
        return self._unroutable

    @property
    def blocked(self) -> str | None:
        """Why the broker takes no messages for now; None if it does."""
        return next(iter(self._blocked.values()), None)

    def wait(self, settled: int, end: int, timeout: float) -> None:
        """Return when something has become of messages before ``end``, or after ``timeout``.

        Args:
            settled: number before which they are known to be settled.
            end: number behind the last one.
            timeout: in seconds.
        """
        with self._changed:
            self._changed.wait_for(
                lambda: (
                    self._failure is not None
                    or self.settled_before(end) != settled
                    or self.stuck_at() is not None
                ),
                timeout,
            )

    def close(self) -> None:
        """End the connections: in order, behind what was published, where the broker reads it."""
        loop, thread = self._loop, self._thread
        if loop is None or thread is None:  # it was never open
            return
        orderly = self._failure is None and self.blocked is None
        for wait_s, is_orderly in ((_CLOSE_TIMEOUT_S, orderly), (_CLOSE_TIMEOUT_S, False)):
            self._in_io_thread(partial(self._close_lanes, is_orderly))
            thread.join(wait_s)
            if not thread.is_alive():
                break
        self._loop = self._thread = None
        self._lanes = []

    def _in_io_thread(self, callback: Callable[[], None]) -> None:
        if self._loop is not None:
            self._loop.add_callback_threadsafe(callback)

    # The I/O thread's side

    def _serve(self) -> None:
        loop = self._loop
        assert loop is not None
        try:
            loop.start()
        except Exception as error:  # a fault of ours or of pika: the worker has to hear of it
            self._fail(Transient(f"The connection to RabbitMQ failed: {type(error).__name__}."))
        finally:
            loop.close()

    def _emit(self, lane: Lane, runs: list[bytes]) -> None:
        for run in runs:
            lane.emit(run)

    def _close_lanes(self, orderly: bool) -> None:
        open_lanes = set(self._lanes)

        def ended(lane: Lane) -> None:
            open_lanes.discard(lane)
            if not open_lanes and self._loop is not None:
                self._loop.stop()

        for lane in self._lanes:
            lane.close(orderly, partial(ended, lane))

    def lane_opened(self, lane: Lane) -> None:
        with self._changed:
            self._ready.add(lane.number)
            self._changed.notify_all()

    def lane_failed(self, error: BridgeError, cause: BaseException) -> None:
        self.max_message_bytes = self.max_message_bytes or too_large(cause)
        self._fail(error)

    def lane_blocked(self, lane: Lane, reason: str | None) -> None:
        # An alarm blocks every connection; it is told once.
        if reason is None:
            self._blocked.pop(lane.number, None)
            if not self._blocked:
                self._log.info("broker_unblocked")
            return
        if not self._blocked:
            self._log.warning("broker_blocked", reason=reason)
        self._blocked[lane.number] = reason

    def confirmed(self, lane: Lane, tag: int, multiple: bool) -> None:
        with self._changed:
            self._confirms[lane.number].confirmed(tag, multiple)
            self._changed.notify_all()

    def refused(self, lane: Lane, tag: int, multiple: bool) -> None:
        with self._changed:
            self._confirms[lane.number].refuse(tag, multiple)
            self._changed.notify_all()

    def returned(self, lane: Lane, message_id: str | None) -> None:
        with self._changed:
            self._confirms[lane.number].returned(message_id)
            self._unroutable = True
            self._changed.notify_all()

    def _fail(self, error: BridgeError) -> None:
        with self._changed:
            self._failure = self._failure or error
            self._changed.notify_all()
