"""Appends writes to the stream: each as one message, in their order, each once.

What an append comes to is decided here, from what is known of its aggregates, and proved by the
stream: a message is stored only behind the last one of its subject that we know of. The leader
checks that (``Nats-Expected-Last-Subject-Sequence``) when a message arrives. Up to release 2.9.20
it does so then only, so of two that arrive together both could be stored. Therefore the id of a
message (``Nats-Msg-Id``) is made of the aggregate and the sequence of the first event: every
replica refuses the second message with an id when it comes to it in the log.

Of several messages that are on their way at once, each names the id of the one before it, and is
stored only right behind that (``Nats-Expected-Last-Msg-Id``). So a message that is lost takes all
later ones with it. Places in the stream would not do: a message of somebody else could take the
place of the lost one. Whatever goes wrong, everything is decided again from what the stream holds
by then; events that did get there are found by their ids.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final, NamedTuple
from weakref import WeakValueDictionary

from bridge.core.errors import EnvironmentProblem, Transient
from bridge.eventsourcing.appending import already_stored, first_sequence, record
from bridge.eventsourcing.errors import ConcurrencyConflict, EventIdTaken
from bridge.eventsourcing.records import NewEvent, Recorded, Write
from bridge.runtime.eventstores.jetstream.aggregates import Aggregates, Key
from bridge.runtime.eventstores.jetstream.errors import OVERTAKEN
from bridge.runtime.eventstores.jetstream.link import Patience
from bridge.runtime.eventstores.jetstream.messages import (
    MAX_EVENTS,
    PROGRESS,
    encode,
    global_sequence,
    headers,
)
from bridge.runtime.eventstores.jetstream.names import key_of
from bridge.runtime.eventstores.jetstream.publishing import (
    EXPECTED_IN_SUBJECT,
    EXPECTED_LAST_ID,
    MESSAGE_ID,
    Outcome,
    Publication,
    Publisher,
    Rejected,
    Stored,
    too_large,
)
from bridge.runtime.eventstores.jetstream.stream import Stream

_AT_ONCE: Final = 256
_BYTES_AT_ONCE: Final = 8 * 1024 * 1024
"""Messages that are on their way, and the size of their bodies."""

_LOADS_AT_ONCE: Final = 64
_TAKEN: Final = -1
"""Instead of the number of an error: another message has the sequences of this one."""

_NOT_TAKEN: Final = -2
"""The server says so, but there is none: it remembers a message that it then did not store."""

_QUARRELS: Final = 3
"""So often others get in between before messages go one by one."""


class _Piece(NamedTuple):
    """The events of a write, or a part of them, as they become one message."""

    write: Write
    first: int
    events: tuple[NewEvent, ...]
    data: bytes

    @property
    def key(self) -> Key:
        return self.write.aggregate_type, self.write.aggregate_id


class Appender:
    """Appends to one stream. Used in the thread of the loop alone.

    Args:
        stream: that is appended to.
        publisher: of its link.
        subject: what stands in front of the tokens of an aggregate: ``events.event``.

    Attributes:
        place: of the last message in the stream that is known of.
    """

    def __init__(self, stream: Stream, publisher: Publisher, subject: str) -> None:
        self._stream = stream
        self._publisher = publisher
        self._subject = subject
        self._aggregates = Aggregates(stream)
        self._locks: WeakValueDictionary[Key, asyncio.Lock] = WeakValueDictionary()
        self.place = 0

    async def append(
        self, writes: Sequence[Write], progress: str | None
    ) -> tuple[list[Recorded], bool]:
        """Store the events of all writes that are not stored yet.

        Args:
            writes: in their order.
            progress: goes with the last message. It also says that the writes may have been begun
                before: a write of which the first events are stored is completed.

        Returns:
            all events of all writes, and whether a message went that carries the progress.

        Raises:
            BridgeError: see ``EventStorage.append``.
        """
        subjects = {
            (write.aggregate_type, write.aggregate_id): self._subject_of(write) for write in writes
        }
        async with self._locked(sorted(subjects)):
            try:
                return await self._append(writes, subjects, progress)
            finally:
                self._aggregates.shrink()

    async def _append(
        self, writes: Sequence[Write], subjects: dict[Key, str], progress: str | None
    ) -> tuple[list[Recorded], bool]:
        done: dict[str, Recorded] = {}
        carried = False
        fresh: set[Key] = set()
        stale = {key for key in subjects if self._aggregates.get(key) is None}
        patience = Patience(self._stream.link.patience_s)
        quarrels = attempt = 0
        while True:
            await self._refresh(stale, subjects)
            fresh |= stale
            try:
                pieces = await self._plan(writes, done, resume=progress is not None)
            except _Forgotten as error:
                stale = {error.key}
                continue
            except (ConcurrencyConflict, EventIdTaken):
                stale = set(subjects) - fresh  # what we know may be outdated
                if not stale:
                    raise
                continue
            if not pieces:
                events = [done[event.event_id] for write in writes for event in write.events]
                return events, carried
            at_once = _AT_ONCE if quarrels < _QUARRELS else 1
            sent, failure = await self._send(pieces, subjects, at_once, attempt, progress, done)
            carried = sent == len(pieces) and progress is not None
            fresh, stale = set(), {piece.key for piece in pieces[sent:]}
            if not stale:
                continue
            quarrels += 1
            if failure is None:
                await patience.pause("appending; what was stored is found by its event ids")
            else:
                attempt += failure.code == _NOT_TAKEN
                patience.check("appending; others are always faster")
                await asyncio.sleep(random.uniform(0, 0.002) * quarrels)

    async def _refresh(self, keys: set[Key], subjects: dict[Key, str]) -> None:
        room = asyncio.Semaphore(_LOADS_AT_ONCE)

        async def refresh(key: Key) -> None:
            async with room:
                await self._aggregates.refresh(key, subjects[key])

        await asyncio.gather(*map(refresh, sorted(keys)))

    async def _plan(
        self, writes: Sequence[Write], done: dict[str, Recorded], *, resume: bool
    ) -> list[_Piece]:
        """Decide what is missing; events that turn out to be stored go to ``done``.

        Raises:
            ConcurrencyConflict: an aggregate is not as expected, as far as we know.
            EventIdTaken: an id is, as far as we know.
            _Forgotten: an aggregate is not known any more.
        """
        pieces: list[_Piece] = []
        ends: dict[Key, int] = {}
        planned: dict[str, Recorded] = {}
        for write in writes:
            key = write.aggregate_type, write.aggregate_id
            known = self._aggregates.get(key)
            if known is None:
                raise _Forgotten(key)
            stored = await self._stored(write, done, planned)
            missing = _rest_of(write, stored) if resume else write
            if not missing.events:
                continue
            if already_stored(missing, stored) is not None:
                continue
            resumed = len(missing.events) < len(write.events)
            end = ends.get(key, known.last_sequence)
            first = end + 1 if resumed else first_sequence(write, end)
            ends[key] = end + len(missing.events)
            planned.update((e.event_id, e) for e in record(missing, first, 0))
            pieces += self._pieces(missing, first, split=resume)
        return pieces

    async def _stored(
        self, write: Write, done: dict[str, Recorded], planned: dict[str, Recorded]
    ) -> dict[str, Recorded]:
        found: dict[str, Recorded] = {}
        for event in write.events:
            one = done.get(event.event_id) or planned.get(event.event_id)
            if one is None:
                one = await self._aggregates.stored(event.event_id)
                if one is not None:
                    done[event.event_id] = one
            if one is not None:
                found[event.event_id] = one
        return found

    def _pieces(self, write: Write, first: int, *, split: bool) -> Iterator[_Piece]:
        """Yield the events of a write as one message, or as several if that may be and must."""
        events = write.events
        data = encode(events)
        largest = self._publisher.largest
        if len(data) <= largest and len(events) <= MAX_EVENTS:
            yield _Piece(write, first, events, data)
        elif not split or len(events) == 1:
            raise too_large("An append", len(data), largest)
        else:
            half = len(events) // 2
            yield from self._pieces(write._replace(events=events[:half]), first, split=True)
            rest = write._replace(events=events[half:])
            yield from self._pieces(rest, first + half, split=True)

    async def _send(
        self,
        pieces: Sequence[_Piece],
        subjects: dict[Key, str],
        at_once: int,
        attempt: int,
        progress: str | None,
        done: dict[str, Recorded],
    ) -> tuple[int, Rejected | None]:
        """Publish messages until one does not get there.

        Returns:
            how many got there, in their order, and why the next one did not; None if nobody knows.
        """
        sent = 0
        for window in _windows(pieces, at_once):
            publications = self._publications(window, subjects, attempt)
            if progress is not None and sent + len(window) == len(pieces):
                publications[-1].headers[PROGRESS] = progress
            try:
                outcomes = await self._publisher.publish(publications)
            except Transient:
                return sent, None
            for piece, outcome in zip(window, outcomes, strict=True):
                if not isinstance(outcome, Stored) or outcome.duplicate:
                    return sent, await self._rejection(piece, outcome)
                self._took(piece, outcome.sequence, done)
                sent += 1
        return sent, None

    def _publications(
        self, window: Sequence[_Piece], subjects: dict[Key, str], attempt: int
    ) -> list[Publication]:
        """Return the messages of a window, each of which names the one before it.

        The second message of an aggregate names no place in its subject. It need not: there is
        nothing but this window between the two.
        """
        publications: list[Publication] = []
        keys: set[Key] = set()
        for piece in window:
            subject = subjects[piece.key]
            fields = headers(piece.first, len(piece.events))
            fields[MESSAGE_ID] = f"{subject}:{piece.first}" + f":{attempt}" * (attempt > 0)
            if piece.key not in keys:
                known = self._aggregates.get(piece.key)
                fields[EXPECTED_IN_SUBJECT] = str(known.place if known else 0)
                keys.add(piece.key)
            if publications:
                fields[EXPECTED_LAST_ID] = publications[-1].headers[MESSAGE_ID]
            publications.append(Publication(subject, piece.data, fields))
        return publications

    def _took(self, piece: _Piece, place: int, done: dict[str, Recorded]) -> None:
        self.place = max(self.place, place)
        self._aggregates.appended(piece.key, place, piece.first, piece.events)
        for event in record(piece.write, piece.first, global_sequence(place, 0)):
            done[event.event_id] = event

    async def _rejection(self, piece: _Piece, outcome: Outcome) -> Rejected | None:
        """Return why a message was not stored, if that is no reason to end.

        Raises:
            EnvironmentProblem: the stream takes no such message.
        """
        match outcome:
            case Stored(place, _):
                there = await self._stream.get(place) if place else None
                subject = self._subject_of(piece.write)
                taken = there is not None and (there.subject, there.first) == (subject, piece.first)
                return Rejected(_TAKEN if taken else _NOT_TAKEN, "duplicate")
            case Rejected(code, description) if code not in OVERTAKEN:
                raise EnvironmentProblem(
                    f"JetStream does not store an event: {description} (error {code})."
                )
        return outcome

    def _subject_of(self, write: Write) -> str:
        return f"{self._subject}.{key_of(write.aggregate_type, write.aggregate_id)}"

    @asynccontextmanager
    async def _locked(self, keys: Sequence[Key]) -> AsyncIterator[None]:
        """Let only one append of this process work on an aggregate; keys are sorted."""
        async with AsyncExitStack() as held:
            for key in keys:
                lock = self._locks.get(key)
                if lock is None:
                    lock = self._locks[key] = asyncio.Lock()
                await held.enter_async_context(lock)
            yield


class _Forgotten(Exception):
    """An aggregate is not known any more, because others took its place in memory."""

    def __init__(self, key: Key) -> None:
        super().__init__()
        self.key = key


def _rest_of(write: Write, stored: dict[str, Recorded]) -> Write:
    """Return a write without the events that begin it and are stored in its aggregate."""
    key = write.aggregate_type, write.aggregate_id
    begun = 0
    for event in write.events:
        one = stored.get(event.event_id)
        if one is None or (one.aggregate_type, one.aggregate_id) != key:
            break
        begun += 1
    return write._replace(events=write.events[begun:])


def _windows(pieces: Sequence[_Piece], at_once: int) -> Iterator[list[_Piece]]:
    """Yield the pieces in their order, as many as may be on their way together."""
    window: list[_Piece] = []
    size = 0
    for piece in pieces:
        if len(window) == at_once or (window and size + len(piece.data) > _BYTES_AT_ONCE):
            yield window
            window, size = [], 0
        window.append(piece)
        size += len(piece.data)
    yield window
