"""How far projections have come: told by the stream itself, in the header of a message.

So a position is stored with the events that it covers, or not at all. To find the last one, the
stream is read from a place that the bucket remembers. The bucket also holds a position behind which
no event was stored.
"""

from __future__ import annotations

import json
from typing import Any, Final

from bridge.core.errors import EnvironmentProblem
from bridge.core.events import Position
from bridge.eventsourcing.records import Progress
from bridge.runtime.eventstores.jetstream.bucket import Bucket
from bridge.runtime.eventstores.jetstream.messages import PROGRESS
from bridge.runtime.eventstores.jetstream.names import token
from bridge.runtime.eventstores.jetstream.reading import Reader
from bridge.runtime.eventstores.jetstream.stream import Stream

_REMEMBER_EVERY: Final = 5_000
"""Messages after which the bucket is told again; a start reads about as many headers."""


def header(progress: Progress) -> str:
    """Return the header that tells a progress, in ASCII."""
    return json.dumps([progress.name, str(progress.position), progress.source])


class Progresses:
    """The progress of all projections of a store. Used in the thread of the loop alone.

    Args:
        stream: with the events.
        subject: of all events.
        bucket: of the store.
    """

    def __init__(self, stream: Stream, subject: str, bucket: Bucket) -> None:
        self._stream = stream
        self._subject = subject
        self._bucket = bucket
        self._since: dict[str, int] = {}

    async def load(self, name: str) -> Progress | None:
        """Return how far the projection has come; None if it never began."""
        value = await self._bucket.get(_key(name))
        if value is None:
            return None
        remembered = _parse(value)
        found = remembered.progress(name)
        last = await self._stream.last(self._subject)
        if last is not None:
            reader = Reader(self._stream, self._subject, remembered.after + 1, headers_only=True)
            try:
                while messages := await reader.read(last.sequence):
                    for message in messages:
                        if text := message.headers.get(PROGRESS):
                            found = _later(found, _of_header(text), name)
            finally:
                await reader.close()
        return found

    async def begin(self, progress: Progress, place: int) -> None:
        """Remember that a projection exists, before its first progress is in a header."""
        if progress.name in self._since:
            return
        anchor = _Remembered(None, "", place).encode()
        await self._bucket.update(
            _key(progress.name), lambda found: anchor if found is None else None
        )
        self._since[progress.name] = 0

    async def carried(self, progress: Progress, place: int) -> None:
        """Take note that the message at ``place`` has carried a progress."""
        self._since[progress.name] += 1
        if self._since[progress.name] >= _REMEMBER_EVERY:
            await self.save(progress, place)

    async def save(self, progress: Progress, place: int) -> None:
        """Store a progress that no message carries.

        Args:
            progress: the one.
            place: the last message of the stream that it comes after.
        """

        def decide(found: bytes | None) -> bytes | None:
            known = _parse(found).progress(progress.name) if found is not None else None
            return None if _later(known, progress, progress.name) is known else new

        new = _Remembered(progress.position, progress.source, place).encode()
        await self._bucket.update(_key(progress.name), decide)
        self._since[progress.name] = 0


class _Remembered:
    """What the bucket holds: a progress, if there is one, and the place after which to look on."""

    def __init__(self, position: Position | None, source: str, after: int) -> None:
        self._position = position
        self._source = source
        self.after = after

    def progress(self, name: str) -> Progress | None:
        if self._position is None:
            return None
        return Progress(name, self._position, self._source)

    def encode(self) -> bytes:
        position = None if self._position is None else str(self._position)
        return json.dumps([position, self._source, self.after]).encode()


def _key(name: str) -> str:
    return f"progress.{token(name)}"


def _parse(value: bytes) -> _Remembered:
    position, source, after = _load(value)
    return _Remembered(None if position is None else Position.parse(position), source, after)


def _of_header(text: str) -> Progress:
    name, position, source = _load(text)
    return Progress(name, Position.parse(position), source)


def _load(text: str | bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise EnvironmentProblem(
            "The progress of a projection in JetStream is damaged: it is no JSON.",
            remedy="Let nothing else write to the stream and the bucket of the store.",
        ) from error


def _later(known: Progress | None, other: Progress, name: str) -> Progress | None:
    """Return the one of two that came later; of one source, that is the one that is further."""
    if other.name != name:
        return known
    if known is not None and known.source == other.source and known.position >= other.position:
        return known
    return other
