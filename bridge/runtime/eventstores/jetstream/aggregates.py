"""What this process knows about aggregates: where they end, and the ids of their events.

It is a memory of the stream, never more than that. The stream checks every write against the place
that we expect (``Nats-Expected-Last-Subject-Sequence``), so what is known may be outdated, and is
read again when the stream says so.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from bridge.core.errors import EnvironmentProblem
from bridge.eventsourcing.records import NewEvent, Recorded
from bridge.runtime.eventstores.jetstream.messages import (
    Message,
    decode,
    global_sequence,
    message_of,
)
from bridge.runtime.eventstores.jetstream.reading import Reader
from bridge.runtime.eventstores.jetstream.stream import Stream

Key: TypeAlias = tuple[str, str]
"""Type and id of an aggregate."""

_IDS: Final = 100_000
"""How many ids of events are kept; at least those of one aggregate, whatever its length."""


@dataclass(slots=True)
class Known:
    """An aggregate.

    Attributes:
        place: of its last message in the stream; 0 if it has none.
        last_sequence: of its last event; 0 if it has none.
        ids: of its events, in their order.
    """

    place: int = 0
    last_sequence: int = 0
    ids: list[str] = field(default_factory=list)


class Aggregates:
    """The aggregates that were appended to last.

    Args:
        stream: with their messages.
        limit: how many ids are kept.
    """

    def __init__(self, stream: Stream, limit: int = _IDS) -> None:
        self._stream = stream
        self._limit = limit
        self._known: OrderedDict[Key, Known] = OrderedDict()
        self._places: dict[str, tuple[Key, int]] = {}

    def get(self, key: Key) -> Known | None:
        """Return what is known of an aggregate; None if nothing is."""
        known = self._known.get(key)
        if known is not None:
            self._known.move_to_end(key)
        return known

    async def refresh(self, key: Key, subject: str) -> None:
        """Bring what is known of an aggregate to what its subject holds.

        Raises:
            EnvironmentProblem: its messages do not follow each other.
            Transient: the cluster does not answer.
        """
        last = await self._stream.last(subject)
        known = self._known.get(key)
        if known is None or last is None or last.sequence < known.place:
            self.forget(key)
            known = self._known[key] = Known()
        if last is not None and last.sequence > known.place:
            if last.first == 1 or (known.place and last.first == known.last_sequence + 1):
                self._take(key, known, last)
            else:
                await self._read(key, known, subject, last.sequence)
        self._known.move_to_end(key)

    async def _read(self, key: Key, known: Known, subject: str, end: int) -> None:
        reader = Reader(self._stream, subject, known.place + 1)
        try:
            while messages := await reader.read(end):
                for message in messages:
                    self._take(key, known, message)
        finally:
            await reader.close()

    def _take(self, key: Key, known: Known, message: Message) -> None:
        check_order(message, known.last_sequence if known.place else None)
        self._add(key, known, message.sequence, decode(message))

    def appended(self, key: Key, place: int, first: int, events: Sequence[NewEvent]) -> None:
        """Take a message into account that this process has stored."""
        known = self._known.get(key)
        if known is not None and known.last_sequence == first - 1:
            self._add(key, known, place, events)

    def _add(
        self, key: Key, known: Known, place: int, events: Sequence[NewEvent | Recorded]
    ) -> None:
        start = global_sequence(place, 0)
        for number, event in enumerate(events, start=start):
            self._places[event.event_id] = key, number
            known.ids.append(event.event_id)
        known.place = place
        known.last_sequence = (
            events[-1].sequence
            if isinstance(events[-1], Recorded)
            else known.last_sequence + len(events)
        )

    def forget(self, key: Key) -> None:
        """Know nothing of an aggregate any more."""
        known = self._known.pop(key, None)
        for event_id in known.ids if known else ():
            self._places.pop(event_id, None)

    async def stored(self, event_id: str) -> Recorded | None:
        """Return the event with this id, if its aggregate is one of those that are known."""
        found = self._places.get(event_id)
        if found is None:
            return None
        key, number = found
        place, index = message_of(number)
        message = await self._stream.get(place)
        if message is None:  # archived
            self.forget(key)
            return None
        return decode(message)[index]

    def shrink(self) -> None:
        """Forget the aggregates that were not used for longest, if there is too much."""
        while len(self._places) > self._limit and len(self._known) > 1:
            self.forget(next(iter(self._known)))


def check_order(message: Message, last_sequence: int | None) -> None:
    """Check that a message follows the one before it in its subject.

    Args:
        message: the later one.
        last_sequence: of the last event before; None if that is not known.

    Raises:
        EnvironmentProblem: it does not.
    """
    if last_sequence is not None and message.first != last_sequence + 1:
        raise EnvironmentProblem(
            f"The event store is damaged: message {message.sequence} of the stream begins with "
            f"sequence {message.first} of its aggregate, but {last_sequence + 1} is next.",
            remedy="Let nothing else publish to the subjects of the stream.",
        )
