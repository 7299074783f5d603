"""Events into an exchange of RabbitMQ, durable when the broker has confirmed them."""

from __future__ import annotations

import time
import zlib
from collections import deque

from bridge.core.errors import BridgeError, Transient
from bridge.core.events import CdcEvent, EventBatch, Position
from bridge.core.retry import RetryPolicy
from sinks.base import Feed, Progress, Rejection
from sinks.consumer import SinkConsumer
from sinks.formats import encode_batch, make_format
from sinks.key_change import has_several_keys
from sinks.keys import KeyExpression, make_key
from sinks.rabbitmq.config import RabbitMqConfig
from sinks.rabbitmq.messages import MAX_ROUTING_KEY_BYTES, Message, MessageEncoder
from sinks.rabbitmq.publisher import Publisher
from sinks.routing import Routes

_SLICE = 250
"""Events that are encoded before the I/O thread gets them: both threads have something to do."""


class RabbitMqSink:
    """One message for each event, confirmed by the broker.

    ``write`` never waits: what finds no room among the messages in flight stays in the batch that
    it came in, which the backlog counts until it is durable; ``poll`` sends it on.
    """

    Config = RabbitMqConfig

    def __init__(self, config: RabbitMqConfig) -> None:
        self._config = config
        self._format = make_format(config)
        self._routes = Routes(config.routing_key, config.routes)
        self._key = make_key(config.key, self._format)
        self._without_value = _without_value(config)
        self._max_message_bytes = config.max_message_bytes
        self._was_open = False
        self._cautious = False
        self._publisher: Publisher | None = None
        self._encoder: MessageEncoder | None = None
        self._begin()

    @property
    def blocked(self) -> str | None:
        """Why the broker takes no messages for now, such as ``low on memory``; None if it does."""
        return self._publisher.blocked if self._publisher is not None else None

    def open(self, feed: Feed) -> Position | None:
        config = self._config
        self._begin()
        self._routes = Routes(config.routing_key, config.routes, slot=feed.slot)
        publisher = self._publisher = Publisher(
            config,
            name=feed.name,
            connection_name=f"pgbridge {feed.slot} {feed.name}",
            starting=not self._was_open,
        )
        try:
            publisher.open()
        except BaseException:
            self.close()
            raise
        self._was_open = True
        self._encoder = MessageEncoder(
            config.exchange,
            content_type=self._format.content_type,
            app_id=config.app_id,
            persistent=config.persistent,
            frame_max=publisher.frame_max,
        )
        return None

    def write(self, batch: EventBatch) -> None:
        if batch.events:
            self._waiting.append(batch)
            self._send()

    def poll(self) -> Progress:
        publisher = self._opened()
        failure, stuck = publisher.failure, publisher.stuck_at()
        # Asked after the failure: what was settled before it is reported before it.
        settled = publisher.settled_before(self._next)
        if settled > self._settled:
            progress = self._settle(settled)
            self._send()
            return progress
        if failure is not None:
            raise self._learn_from(publisher, failure)
        if stuck is not None:
            raise self._refusal(self._open[stuck - self._settled], publisher.unroutable)
        self._send()
        return Progress(self._durable)

    def flush(self, timeout: float) -> Progress:
        deadline = time.monotonic() + timeout
        rejections: list[Rejection] = []
        while True:
            try:
                progress = self.poll()
            except BridgeError:
                if rejections:  # they count as reported; the error comes again
                    return Progress(self._durable, tuple(rejections))
                raise
            rejections += progress.rejections
            left = deadline - time.monotonic()
            if left <= 0 or not (self._open or self._waiting):
                return Progress(progress.durable, tuple(rejections))
            self._opened().wait(self._settled, self._next, left)

    def close(self) -> None:
        if self._publisher is not None:
            self._publisher.close()
            self._publisher = None
        self._begin()

    def _begin(self) -> None:
        """Forget the session: it has no events."""
        self._waiting: deque[EventBatch] = deque()
        self._sent_of_first = 0  # of the batch that waits in front
        self._alone = False  # the last event that was sent belongs to several lanes
        self._open: deque[CdcEvent] = deque()  # from number ``_settled`` on
        self._settled = self._next = 0
        self._durable: Position | None = None
        self._rejected: deque[tuple[int, Rejection]] = deque()

    def _opened(self) -> Publisher:
        assert self._publisher is not None, "the sink is not open"
        return self._publisher

    # Sending

    def _send(self) -> None:
        """Publish what waits, as far as there is room."""
        publisher = self._opened()
        while self._waiting:
            if self._alone and self._open:
                return
            messages, size = publisher.room()
            if self._cautious:
                # The first event of the session was refused in the one before: ask about it
                # alone, or every attempt would repeat all that follows it.
                messages = min(messages, 1 - len(self._open))
            if messages <= 0 or size <= 0:
                return
            if not self._send_some(publisher, min(messages, _SLICE), size):
                return

    def _send_some(self, publisher: Publisher, messages: int, size: int) -> bool:
        """Publish the next events of the first batch that waits; return whether there were any."""
        batch, begin = self._waiting[0], self._sent_of_first
        bodies = encode_batch(batch, self._format)
        lanes: list[list[tuple[int, Message]]] = [[] for _ in range(self._config.connections)]
        end = min(begin + messages, len(batch))
        i = begin
        self._alone = False
        while i < end and size > 0 and not self._alone:
            event = batch.events[i]
            if self._config.connections > 1 and self._has_several_keys(event):
                if self._open:
                    break
                self._alone = True
            try:
                lane, message = self._place(event, bodies[i].encode())
            except _Refused as refused:
                self._rejected.append((self._next, Rejection(event.position, refused.reason)))
            else:
                lanes[lane].append((self._next, message))
                size -= len(message.frames)
            self._open.append(event)
            self._next += 1
            i += 1
        for number, chosen in enumerate(lanes):
            if chosen:
                publisher.publish(number, chosen)
        sent = i > begin
        if i == len(batch):
            self._waiting.popleft()
            i = 0
        self._sent_of_first = i
        return sent

    def _has_several_keys(self, event: CdcEvent) -> bool:
        try:
            return has_several_keys(event, self._key)
        except self._without_value:
            return False  # it will be refused

    def _place(self, event: CdcEvent, body: bytes) -> tuple[int, Message]:
        """Return the number of a lane, and the message for it.

        Raises:
            _Refused: there can be none.
        """
        if len(body) > self._max_message_bytes:
            raise _Refused(
                f"The message has {len(body)} bytes, and the largest that is accepted has "
                f"{self._max_message_bytes}."
            )
        lanes = self._config.connections
        try:
            routing_key = self._routes.target(event)
            key = "" if lanes == 1 else self._key(event) or ""
        except self._without_value as error:
            raise _Refused(str(error)) from None
        if len(routing_key) > MAX_ROUTING_KEY_BYTES // 4:  # a character has up to four bytes
            size = len(routing_key.encode())
            if size > MAX_ROUTING_KEY_BYTES:
                raise _Refused(
                    f"The routing key has {size} bytes; AMQP allows {MAX_ROUTING_KEY_BYTES}."
                )
        assert self._encoder is not None
        message = self._encoder.encode(event, body, routing_key)
        return 0 if lanes == 1 else zlib.crc32(key.encode()) % lanes, message

    # What has become of it

    def _settle(self, settled: int) -> Progress:
        """Take note that everything before a number is settled."""
        for _ in range(settled - self._settled - 1):
            self._open.popleft()
        self._durable = self._open.popleft().position
        self._settled = settled
        self._cautious = False
        rejections = []
        while self._rejected and self._rejected[0][0] < settled:
            rejections.append(self._rejected.popleft()[1])
        return Progress(self._durable, tuple(rejections))

    def _learn_from(self, publisher: Publisher, failure: BridgeError) -> BridgeError:
        """Remember what the broker takes at most: the message comes again, and is rejected."""
        largest = publisher.max_message_bytes
        if largest is not None and largest < self._max_message_bytes:
            self._max_message_bytes = largest
        return failure

    def _refusal(self, event: CdcEvent, unroutable: bool) -> Transient:
        self._cautious = True
        exchange = self._config.exchange or "the default exchange"
        what = f"{event.operation} of {event.relation.qualified_name} at {event.position}"
        if event.schema is None:
            what = f"logical message at {event.position}"
        if unroutable:
            return Transient(
                f"{exchange!r} has no queue for the {what}.",
                remedy="Bind a queue whose binding key matches the routing key; it is tried again.",
            )
        return Transient(
            f"A queue behind {exchange!r} refuses the {what}.",
            remedy="It is full, or has no majority; it is tried again.",
        )


class _Refused(Exception):
    """The event can never be delivered; ``reason`` says why, without row values."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def _without_value(config: RabbitMqConfig) -> tuple[type[Exception], ...]:
    """Return the errors by which expressions of the configuration have no value for an event."""
    if not config.routes and not isinstance(config.key, KeyExpression):
        return ()
    from bridge.expressions import EvaluationError  # its parser costs time and memory to import

    return (EvaluationError,)


class RabbitMqCdcConsumer(SinkConsumer):
    """Delivers single events to RabbitMQ: ``process_event`` returns when the broker has them.

    Args:
        config: of the sink ``rabbitmq``.
        retry: how often, and for how long, one event is tried.
        name: in messages, and of the connection.
    """

    def __init__(
        self, config: RabbitMqConfig, *, retry: RetryPolicy | None = None, name: str = "rabbitmq"
    ) -> None:
        super().__init__(RabbitMqSink(config), name=name, retry=retry)
