"""Reads a stream in its order, up to a place that its leader has told."""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from bridge.runtime.eventstores.jetstream.link import Patience
from bridge.runtime.eventstores.jetstream.messages import Message
from bridge.runtime.eventstores.jetstream.stream import Stream

if TYPE_CHECKING:
    from nats.aio.msg import Msg
    from nats.aio.subscription import Subscription

_SINGLE_READS: Final = 8
"""Messages that are asked for one by one before it is worth to make a consumer."""

_BATCH: Final = 500
_BATCH_BYTES: Final = 8 * 1024 * 1024
_PULL_TIMEOUT_S: Final = 0.5
_UNUSED_S: Final = 30.0
"""The server forgets a consumer that is not used, after twice this time."""


class Reader:
    """A place in a stream, and the messages of a subject behind it.

    A consumer is served by one server, which may lag behind the leader, or die. So the caller says
    up to where messages are known to be, and a consumer that does not get there is replaced.

    Args:
        stream: that is read.
        subject: of the messages; may have wildcards.
        start: the first place that counts.
        headers_only: leave the bodies out.

    Attributes:
        place: everything of the subject below it was read.
    """

    def __init__(
        self, stream: Stream, subject: str, start: int = 1, *, headers_only: bool = False
    ) -> None:
        self._stream = stream
        self._subject = subject
        self._headers_only = headers_only
        self._consumer: _Consumer | None = None
        self._used = time.monotonic()
        self.place = max(1, start)

    async def read(self, end: int) -> list[Message]:
        """Return the next messages, at least one; none if there are no more up to ``end``.

        Args:
            end: place of a message of the subject that is there and stays there.

        Raises:
            Transient: the cluster does not give them.
        """
        if self.place > end:
            return []
        if self._consumer is not None and time.monotonic() - self._used > _UNUSED_S:
            await self.close()
        found = [] if self._consumer else await self._one_by_one(end)
        if not found:
            found = await self._consume(end)
        self._used = time.monotonic()
        self.place = found[-1].sequence + 1
        return found

    async def close(self) -> None:
        """Let go of the consumer. Reading again makes another."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await consumer.close()

    async def _one_by_one(self, end: int) -> list[Message]:
        """Return the rest, if it is short; nothing if it is long."""
        found: list[Message] = []
        place = self.place
        while place <= end and len(found) < _SINGLE_READS:
            message = await self._stream.next(self._subject, place)
            if message is None:  # a new leader that does not know `end` yet
                break
            found.append(message)
            place = message.sequence + 1
        return found if place > end else []

    async def _consume(self, end: int) -> list[Message]:
        patience = Patience(self._stream.link.patience_s)
        while True:
            if self._consumer is None:
                name = await self._stream.make_consumer(
                    self._subject, self.place, headers_only=self._headers_only
                )
                self._consumer = _Consumer(self._stream, name)
            pulled = await self._consumer.pull(end)
            # On a server that does not have that place yet, a consumer begins too early.
            found = [message for message in pulled if message.sequence >= self.place]
            if found:
                return found
            if pulled:
                continue
            # That server has nothing, or is gone; the leader knows, and the next consumer is made
            # on another server, perhaps.
            await self.close()
            message = await self._stream.next(self._subject, self.place)
            if message is not None:
                return [message]
            await patience.pause("reading the stream")


class _Consumer:
    """A consumer of a stream, from which messages are pulled."""

    def __init__(self, stream: Stream, name: str) -> None:
        self._stream = stream
        self._name = name
        self._subscription: Subscription | None = None
        self._inbox = ""
        self._arrived: deque[Message] = deque()
        self._changed = asyncio.Event()
        self._delivered = 0
        self._end = 0
        self._broken = False
        self._status = False
        self._batch = _BATCH // 4

    async def pull(self, end: int) -> list[Message]:
        """Return messages that follow; none if the server has none for now, or is gone."""
        from nats.errors import Error

        client = self._stream.link.client
        self._status = False
        self._end = end
        try:
            if self._subscription is None:
                self._inbox = client.new_inbox()
                self._subscription = await client.subscribe(self._inbox, cb=self._came)
            await client.publish(
                f"$JS.API.CONSUMER.MSG.NEXT.{self._stream.name}.{self._name}",
                json.dumps({"batch": self._batch, "no_wait": True}).encode(),
                reply=self._inbox,
            )
            await self._wait()
        except (Error, OSError):
            self._broken = True
        found = list(self._arrived)
        self._arrived.clear()
        if found:
            size = sum(len(message.data) for message in found) // len(found) + 1
            self._batch = max(1, min(_BATCH, _BATCH_BYTES // size))
        return found

    async def _wait(self) -> None:
        """Wait until the batch is here, or the end, or an answer that there is no more."""
        while not self._is_done():
            before = self._delivered
            self._changed.clear()
            try:
                await asyncio.wait_for(self._changed.wait(), _PULL_TIMEOUT_S)
            except TimeoutError:
                if self._delivered == before:
                    return

    def _is_done(self) -> bool:
        arrived = self._arrived
        return (
            self._status
            or self._broken
            or len(arrived) >= self._batch
            or (bool(arrived) and arrived[-1].sequence >= self._end)
        )

    async def _came(self, message: Msg) -> None:
        place = _places(message.reply)
        if place is None:
            self._status = True
            self._broken |= (message.headers or {}).get("Status") not in ("404", "408")
        elif place[1] != self._delivered + 1:
            self._broken = True  # one was lost on its way
        elif not self._broken:
            self._delivered += 1
            self._arrived.append(
                Message(place[0], message.subject, message.headers or {}, message.data)
            )
        if self._is_done():
            self._changed.set()

    async def close(self) -> None:
        from nats.errors import Error

        subscription, self._subscription = self._subscription, None
        try:
            if subscription is not None:
                await subscription.unsubscribe()
            await self._stream.link.client.publish(
                f"$JS.API.CONSUMER.DELETE.{self._stream.name}.{self._name}"
            )
        except (Error, OSError):
            pass  # the server forgets it by itself


def _places(reply: str) -> tuple[int, int] | None:
    """Return the places in the stream and in the consumer that the subject for answers tells."""
    parts: list[Any] = reply.split(".")
    if parts[:2] != ["$JS", "ACK"]:
        return None
    start = 5 if len(parts) == 9 else 7  # newer servers put domain and account in front
    return int(parts[start]), int(parts[start + 1])


async def find(stream: Stream, subject: str, sequence: int, last: Message) -> int:
    """Return the place of the message with the event ``sequence`` of an aggregate.

    If that event was removed, the place of the first message that is left. Reads one message for
    each halving of the stream.

    Args:
        last: the last message of the subject; it holds the event, or later ones.
    """
    if last.first <= sequence:
        return last.sequence
    low, high = 1, last.sequence  # the message is at a place in [low, high)
    best = high
    while low < high:
        middle = (low + high) // 2
        message = await stream.next(subject, middle)
        if message is None or message.first > sequence:
            high = middle
            if message is not None:
                best = min(best, message.sequence)
        elif message.last >= sequence:
            return message.sequence
        else:
            low = message.sequence + 1
    return best
