"""Publishes messages in a row, and learns what has become of each.

The confirmations come to one inbox, so that many messages are on their way at once; what is not
confirmed in time may have been stored or not.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from itertools import count
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from bridge.core.errors import Transient
from bridge.eventsourcing.errors import InvalidInput
from bridge.runtime.eventstores.jetstream.link import UNAVAILABLE, Link

if TYPE_CHECKING:
    from nats.aio.msg import Msg

MESSAGE_ID: Final = "Nats-Msg-Id"
EXPECTED_IN_SUBJECT: Final = "Nats-Expected-Last-Subject-Sequence"
EXPECTED_LAST_ID: Final = "Nats-Expected-Last-Msg-Id"

_CONFIRM_TIMEOUT_S: Final = 3.0
_ROOM_FOR_HEADERS: Final = 4_096


class Publication(NamedTuple):
    """A message that is about to be published."""

    subject: str
    data: bytes
    headers: dict[str, str]


class Stored(NamedTuple):
    """The server has the message.

    Attributes:
        sequence: its place in the stream.
        duplicate: an earlier one with the same id is at that place, and this one nowhere.
    """

    sequence: int
    duplicate: bool


class Rejected(NamedTuple):
    """The server does not take the message.

    Attributes:
        code: the number of the error in JetStream.
        description: the error in its words.
    """

    code: int
    description: str


Outcome: TypeAlias = Stored | Rejected | None
"""What has become of a message; None: nobody knows."""


class Publisher:
    """Publishes over a link. Used in the thread of its loop alone."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._numbers = count()
        self._waiting: dict[str, asyncio.Future[Outcome]] = {}
        self._inbox: str | None = None

    @property
    def largest(self) -> int:
        """The largest body that the servers take, in bytes."""
        return self._link.client.max_payload - _ROOM_FOR_HEADERS

    async def publish(self, publications: Sequence[Publication]) -> list[Outcome]:
        """Publish messages in their order, and return what has become of each.

        Raises:
            Transient: the connection is gone; nobody knows what has become of any.
        """
        from nats.errors import Error

        if self._inbox is None:
            self._inbox = self._link.client.new_inbox()
            await self._link.client.subscribe(f"{self._inbox}.*", cb=self._confirmed)
        futures: list[asyncio.Future[Outcome]] = []
        numbers = [str(next(self._numbers)) for _ in publications]
        try:
            for number, (subject, data, headers) in zip(numbers, publications, strict=True):
                future = asyncio.get_running_loop().create_future()
                self._waiting[number] = future
                futures.append(future)
                await self._link.client.publish(
                    subject, data, reply=f"{self._inbox}.{number}", headers=headers
                )
            await asyncio.wait(futures, timeout=_CONFIRM_TIMEOUT_S)
        except (Error, OSError) as error:
            raise Transient("The connection to JetStream is away.") from error
        finally:
            for number in numbers:
                self._waiting.pop(number, None)
        return [future.result() if future.done() else None for future in futures]

    async def _confirmed(self, message: Msg) -> None:
        future = self._waiting.get(message.subject.rpartition(".")[2])
        if future is not None and not future.done():
            future.set_result(_outcome(message))


def too_large(what: str, size: int, largest: int) -> InvalidInput:
    """Return the error of a message that the servers do not take."""
    return InvalidInput(
        f"{what} takes {size} bytes, and the NATS servers take {largest} in one message.",
        remedy="Store less at once, or raise max_payload of the servers.",
    )


def _outcome(message: Msg) -> Outcome:
    try:
        answer = json.loads(message.data)
    except ValueError:
        return None  # nobody listens: the stream has no leader now
    error = answer.get("error")
    if error is None:
        return Stored(answer["seq"], answer.get("duplicate", False))
    if error.get("code") == UNAVAILABLE:
        return None
    return Rejected(error.get("err_code", 0), str(error.get("description")))
