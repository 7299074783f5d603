"""Events that have moved into segments: which segments there are, and what is no longer here.

A message goes when all its events are archived and later ones follow in its aggregate. Of one that
stays, a mark says which events are not to be seen any more; the last message always stays, because
the next one stands behind it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from operator import attrgetter
from typing import Final

from bridge.eventsourcing.records import Recorded, Segment
from bridge.runtime.eventstores.jetstream.aggregates import Key
from bridge.runtime.eventstores.jetstream.bucket import Bucket
from bridge.runtime.eventstores.jetstream.names import aggregate_of, key_of, token
from bridge.runtime.eventstores.jetstream.reading import Reader, find
from bridge.runtime.eventstores.jetstream.stream import Stream

_AT_ONCE: Final = 32


class Archived:
    """What was archived. Used in the thread of the loop alone.

    Args:
        stream: with the events.
        subject: what stands in front of the tokens of an aggregate.
        bucket: with the marks and the segments.

    Attributes:
        marks: aggregate to the sequence of its last archived event, as of the last ``look``.
    """

    def __init__(self, stream: Stream, subject: str, bucket: Bucket) -> None:
        self._stream = stream
        self._subject = subject
        self._bucket = bucket
        self._marks = Reader(bucket.stream, bucket.subject("archived.>"))
        self._looking = asyncio.Lock()
        self.marks: dict[Key, int] = {}

    async def look(self) -> None:
        """Bring the marks up to date."""
        async with self._looking:
            last = await self._bucket.stream.last(self._bucket.subject("archived.>"))
            if last is None:
                return
            while messages := await self._marks.read(last.sequence):
                for message in messages:
                    self.marks[aggregate_of(message.subject)] = int(message.data)

    def is_here(self, event: Recorded) -> bool:
        """Tell whether an event of the stream is not marked as archived."""
        key = event.aggregate_type, event.aggregate_id
        return event.sequence > self.marks.get(key, 0)

    async def segments(self) -> tuple[Segment, ...]:
        """Return the registered segments by their first global sequence."""
        values = await self._bucket.values("segment.>")
        return tuple(sorted((Segment(*json.loads(v)) for v in values), key=attrgetter("first")))

    async def archive(self, segment: Segment, removed: Sequence[tuple[str, str, int]]) -> None:
        """Register a segment, then mark its events, then remove what can go; see the storage."""
        value = json.dumps(segment).encode()
        await self._bucket.update(f"segment.{token(segment.name)}", lambda _: value)
        room = asyncio.Semaphore(_AT_ONCE)

        async def remove(kind: str, one: str, up_to: int) -> None:
            async with room:
                await self._remove(key_of(kind, one), up_to)

        await asyncio.gather(*(remove(*aggregate) for aggregate in removed))

    async def _remove(self, key: str, up_to: int) -> None:
        def mark(found: bytes | None) -> bytes | None:
            return str(up_to).encode() if found is None or int(found) < up_to else None

        await self._bucket.update(f"archived.{key}", mark)
        subject = f"{self._subject}.{key}"
        last = await self._stream.last(subject)
        if last is not None:
            place = await find(self._stream, subject, up_to + 1, last)
            await self._stream.purge(subject, place)
