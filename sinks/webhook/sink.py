"""Events to a receiver over HTTP, durable when it has answered with 2xx."""

from __future__ import annotations

import time
import zlib
from collections import deque
from collections.abc import Callable
from threading import Condition, Event

from bridge.core.events import CdcEvent, EventBatch, Position
from sinks.base import Feed, Progress
from sinks.consumer import SinkConsumer
from sinks.formats import encode_batch, make_format
from sinks.key_change import has_several_keys
from sinks.keys import KeyExpression, make_key
from sinks.webhook.breaker import CircuitBreaker
from sinks.webhook.config import WebhookConfig
from sinks.webhook.connection import Connection
from sinks.webhook.delivery import Delivery
from sinks.webhook.lane import Lane
from sinks.webhook.redirects import Places, Sender
from sinks.webhook.request import Item, RequestMaker

MAX_EVENTS_UNDER_WAY = 10_000
"""Enough for 8 lanes with a batch on its way and one being gathered each."""

MAX_BYTES_UNDER_WAY = 32 * 1024 * 1024
"""Of JSON text; with the events behind it a small multiple in memory."""

_LOOK_AGAIN_S = 0.5
_END_OF_LANES_S = 5.0


class WebhookSink:
    """Sends events over several lanes at once; events of one key stay in one lane.

    An event that belongs to several keys (a TRUNCATE, an UPDATE of the key), or for which the key
    cannot be computed, waits until all lanes are empty, and the next ones wait for it.
    """

    Config = WebhookConfig

    def __init__(self, config: WebhookConfig) -> None:
        self._config = config
        self._format = make_format(config)
        self._key = make_key(config.key, self._format)
        self._without_value = _without_value(config)
        self._requests = RequestMaker(config, self._format)
        self._places = Places(config, self._requests)
        self._lanes: list[Lane] = []
        self._closing = Event()
        self._changed = Condition()
        self._failure: Exception | None = None
        self._begin()

    def open(self, feed: Feed) -> Position | None:
        self._begin()
        breaker = self._config.circuit_breaker
        shared = CircuitBreaker(breaker.failures, breaker.pause_ms / 1000)
        self._closing = Event()
        self._lanes = [self._lane(feed, i, shared) for i in range(self._config.lanes)]
        return None  # a receiver does not tell

    def write(self, batch: EventBatch) -> None:
        if not batch.events:
            return
        self._wait_until(self._has_room)
        first = self._next
        items: list[Item] = list(
            zip(
                range(first, first + len(batch)),
                batch.events,
                encode_batch(batch, self._format),
                strict=True,
            )
        )
        self._next += len(batch)
        self._written.append((first, batch))
        if len(self._lanes) == 1:
            self._lanes[0].put(items)
        else:
            self._spread(items)

    def poll(self) -> Progress:
        self._raise_failure()
        oldest = min(
            (number for lane in self._lanes if (number := lane.oldest) is not None),
            default=self._next,
        )
        self._advance(oldest)
        refused = sorted(
            (entry for lane in self._lanes for entry in lane.refused_before(oldest)),
            key=lambda entry: entry[0],
        )
        return Progress(self._durable, tuple(rejection for _, rejection in refused))

    def flush(self, timeout: float) -> Progress:
        for lane in self._lanes:
            lane.hurry()
        self._wait_until(self._is_empty, timeout)
        return self.poll()

    def close(self) -> None:
        self._closing.set()
        for lane in self._lanes:
            lane.end()
        for lane in self._lanes:
            lane.join(_END_OF_LANES_S)
        self._begin()

    def _begin(self) -> None:
        """Forget the events of the last session."""
        self._lanes = []
        self._failure = None
        self._next = 0
        self._written: deque[tuple[int, EventBatch]] = deque()
        self._durable: Position | None = None

    def _lane(self, feed: Feed, number: int, breaker: CircuitBreaker) -> Lane:
        connection = Connection(self._config)
        delivery = Delivery(
            self._config,
            requests=self._requests,
            sender=Sender(self._places, self._requests, connection),
            breaker=breaker,
            closing=self._closing,
            names={"sink": feed.name, "lane": number},
        )
        return Lane(
            f"sink-{feed.name}-{number}",
            delivery,
            connection,
            self._config.batch,
            progressed=self._wake,
            failed=self._fail,
        )

    def _spread(self, items: list[Item]) -> None:
        """Put each event into the lane of its key."""
        shares: list[list[Item]] = [[] for _ in self._lanes]

        def hand_out() -> None:
            for lane, share in zip(self._lanes, shares, strict=True):
                if share:
                    lane.put(share)
                    share.clear()

        for item in items:
            number = self._lane_of(item[1])
            if number is None:
                hand_out()
                self._wait_until_all_lanes_are_empty()
                self._lanes[0].put([item])
                self._wait_until_all_lanes_are_empty()
            else:
                shares[number].append(item)
        hand_out()

    def _lane_of(self, event: CdcEvent) -> int | None:
        """Return the number of the event's lane; None if it has to travel alone.

        That is an event of several keys, and one whose key has no value: nobody can say then which
        others it must not overtake.
        """
        try:
            if has_several_keys(event, self._key):
                return None
            text = self._key(event)
        except self._without_value:
            return None
        return zlib.crc32(text.encode()) % len(self._lanes) if text else 0

    def _wait_until_all_lanes_are_empty(self) -> None:
        for lane in self._lanes:
            lane.hurry()
        self._wait_until(self._is_empty)

    def _has_room(self) -> bool:
        return (
            sum(lane.waiting_events for lane in self._lanes) < MAX_EVENTS_UNDER_WAY
            and sum(lane.waiting_bytes for lane in self._lanes) < MAX_BYTES_UNDER_WAY
        )

    def _is_empty(self) -> bool:
        return all(lane.oldest is None for lane in self._lanes)

    def _wait_until(self, condition: Callable[[], bool], timeout_s: float | None = None) -> None:
        """Wait for the lanes; at most ``timeout_s`` seconds.

        Raises:
            BridgeError: that of a lane that has ended.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        with self._changed:
            while not condition():
                self._raise_failure()
                left = _LOOK_AGAIN_S if deadline is None else deadline - time.monotonic()
                if left <= 0:
                    return
                self._changed.wait(min(left, _LOOK_AGAIN_S))

    def _advance(self, oldest: int) -> None:
        """Everything with a smaller number than ``oldest`` is settled."""
        while self._written:
            first, batch = self._written[0]
            settled = oldest - first
            if settled >= len(batch):
                self._written.popleft()
                settled = len(batch)
            if settled > 0:
                self._durable = batch.events[settled - 1].position
            if settled < len(batch):
                return

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify()

    def _fail(self, error: Exception) -> None:
        with self._changed:
            self._failure = self._failure or error
            self._changed.notify()

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure


def _without_value(config: WebhookConfig) -> tuple[type[Exception], ...]:
    """Return the errors by which the expression of a key has no value for an event."""
    if not isinstance(config.key, KeyExpression):
        return ()
    from bridge.expressions import EvaluationError  # its parser costs time and memory to import

    return (EvaluationError,)


class WebhookCdcConsumer(SinkConsumer):
    """Delivers single events to a receiver, see ``SinkConsumer``."""

    def __init__(self, config: WebhookConfig) -> None:
        super().__init__(WebhookSink(config), name="webhook", retry=config.retry)
