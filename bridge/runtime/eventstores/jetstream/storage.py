"""A storage of events in NATS JetStream: a stream that is replicated by Raft over several servers.

The stream ``NAME`` has a subject for each aggregate, ``NAME.event.TYPE.ID``, and a message for each
write. The key-value bucket ``NAME-records`` beside it has snapshots, segments, and what helps to
find the progress of projections.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Final

from bridge.eventsourcing.records import (
    AggregateHead,
    Progress,
    Recorded,
    Segment,
    SnapshotRecord,
    Write,
)
from bridge.runtime.eventstores.jetstream.appending import Appender
from bridge.runtime.eventstores.jetstream.archived import Archived
from bridge.runtime.eventstores.jetstream.bucket import Bucket
from bridge.runtime.eventstores.jetstream.layout import events_of, prepare_bucket, prepare_stream
from bridge.runtime.eventstores.jetstream.link import Link
from bridge.runtime.eventstores.jetstream.messages import global_sequence
from bridge.runtime.eventstores.jetstream.names import aggregate_of, key_of, token
from bridge.runtime.eventstores.jetstream.pages import Pages
from bridge.runtime.eventstores.jetstream.progress import Progresses, header
from bridge.runtime.eventstores.jetstream.publishing import Publisher
from bridge.runtime.eventstores.jetstream.stream import Stream

_PATIENCE_S: Final = 30.0
"""A cluster needs up to ten seconds to notice that a leader is gone, and to elect another."""

_HEADS_AT_ONCE: Final = 64


class JetStreamStorage:
    """Keeps events in a stream of JetStream; see ``EventStorage``.

    An append with several writes is one transaction for each of them: they are stored in their
    order, and when something goes wrong in between the first ones stay. Appending the same again
    completes them.

    Args:
        servers: URLs of servers of one cluster.
        stream: name of the stream; it is made if there is none.
        replicas: on how many servers a new stream is kept.
        patience_s: how long the cluster may not answer, in seconds, before that is an error.

    Raises:
        ConfigError: nats-py is not installed, or a server is no URL.
        EnvironmentProblem: the servers refuse us, or the stream is not one for events.
        Transient: no server answers.
    """

    def __init__(
        self,
        servers: Sequence[str],
        *,
        stream: str,
        replicas: int = 3,
        patience_s: float = _PATIENCE_S,
    ) -> None:
        self._link = Link(servers, patience_s=patience_s)
        self._stream = Stream(self._link, stream)
        self._events = events_of(stream)
        publisher = Publisher(self._link)
        records = f"{stream}-records"
        self._bucket = Bucket(Stream(self._link, f"KV_{records}"), publisher, records)
        self._appender = Appender(self._stream, publisher, self._events)
        self._archived = Archived(self._stream, self._events, self._bucket)
        self._pages = Pages(self._stream, self._events, self._archived)
        self._progresses = Progresses(self._stream, self._all, self._bucket)
        try:
            self._identity = self._link.run(self._prepare(publisher, records, replicas))
        except BaseException:
            self._link.close()
            raise

    @property
    def _all(self) -> str:
        return f"{self._events}.>"

    async def _prepare(self, publisher: Publisher, records: str, replicas: int) -> str:
        identity = await prepare_stream(self._stream, publisher, replicas)
        await prepare_bucket(self._stream, self._bucket, records, identity, replicas)
        return identity

    @property
    def identity(self) -> str:
        """See ``EventStorage``."""
        return self._identity

    def append(self, writes: Sequence[Write], progress: Progress | None = None) -> list[Recorded]:
        """See ``EventStorage``; one transaction for each write."""
        return self._link.run(self._append(writes, progress))

    async def _append(self, writes: Sequence[Write], progress: Progress | None) -> list[Recorded]:
        if progress is None:
            return (await self._appender.append(writes, None))[0]
        await self._progresses.begin(progress, await self._place())
        events, carried = await self._appender.append(writes, header(progress))
        place = await self._place()
        if carried:
            await self._progresses.carried(progress, place)
        else:
            await self._progresses.save(progress, place)
        return events

    async def _place(self) -> int:
        """Return a place in the stream that everything which follows comes after."""
        if not self._appender.place:
            last = await self._stream.last(f"{self._stream.name}.>")
            self._appender.place = last.sequence if last else 0
        return self._appender.place

    def read_aggregate(
        self, aggregate_type: str, aggregate_id: str, after: int, limit: int
    ) -> list[Recorded]:
        """See ``EventStorage``."""
        return self._link.run(
            self._pages.of_aggregate(key_of(aggregate_type, aggregate_id), after, limit)
        )

    def read_type(self, event_type: str, after: int, limit: int) -> list[Recorded]:
        """See ``EventStorage``; reads the whole stream from there, whatever the types."""
        return self._link.run(self._pages.of_type(event_type, after, limit))

    def read_all(self, after: int, limit: int) -> list[Recorded]:
        """See ``EventStorage``."""
        return self._link.run(self._pages.of_all(after, limit))

    def head(self, aggregate_type: str, aggregate_id: str) -> AggregateHead | None:
        """See ``EventStorage``."""
        subject = f"{self._events}.{key_of(aggregate_type, aggregate_id)}"
        return self._link.run(self._look_at([subject]))[0]

    async def _look_at(self, subjects: Sequence[str]) -> list[AggregateHead | None]:
        await self._archived.look()
        room = asyncio.Semaphore(_HEADS_AT_ONCE)

        async def look(subject: str) -> AggregateHead | None:
            async with room:
                last = await self._stream.last(subject)
            key = aggregate_of(subject)
            marks = self._archived.marks
            return last and AggregateHead(*key, last.last, marks.get(key, 0))

        return await asyncio.gather(*map(look, subjects))

    def types_of(self, aggregate_id: str) -> tuple[str, ...]:
        """See ``EventStorage``."""
        subjects = self._link.run(self._stream.subjects(f"{self._events}.*.{token(aggregate_id)}"))
        return tuple(sorted(aggregate_of(subject)[0] for subject in subjects))

    def aggregates(self, after: tuple[str, str] | None, limit: int) -> list[AggregateHead]:
        """See ``EventStorage``."""
        return self._link.run(self._aggregates(after, limit))

    async def _aggregates(self, after: tuple[str, str] | None, limit: int) -> list[AggregateHead]:
        subjects = await self._stream.subjects(self._all)
        keys = sorted(
            (key, subject)
            for subject in subjects
            for key in (aggregate_of(subject),)
            if after is None or key > after
        )
        heads = await self._look_at([subject for _, subject in keys[:limit]])
        return [head for head in heads if head is not None]

    def last(self) -> int:
        """See ``EventStorage``."""
        last = self._link.run(self._stream.last(self._all))
        return 0 if last is None else global_sequence(last.sequence, last.last - last.first)

    def save_snapshot(self, snapshot: SnapshotRecord) -> None:
        """See ``EventStorage``.

        Raises:
            InvalidInput: the state is too large for a message of NATS.
        """
        value = json.dumps(snapshot).encode()

        def newer(found: bytes | None) -> bytes | None:
            known = None if found is None else SnapshotRecord(*json.loads(found))
            is_newer = known is None or known.last_sequence <= snapshot.last_sequence
            return value if is_newer else None

        key = key_of(snapshot.aggregate_type, snapshot.aggregate_id)
        self._link.run(self._bucket.update(f"snapshot.{key}.{snapshot.version}", newer))

    def snapshot(
        self, aggregate_type: str, aggregate_id: str, version: int | None
    ) -> SnapshotRecord | None:
        """See ``EventStorage``."""
        key = f"snapshot.{key_of(aggregate_type, aggregate_id)}"
        if version is None:
            values = self._link.run(self._bucket.values(f"{key}.*"))
        else:
            value = self._link.run(self._bucket.get(f"{key}.{version}"))
            values = [] if value is None else [value]
        found = [SnapshotRecord(*json.loads(value)) for value in values]
        return max(found, key=attrgetter("last_sequence", "version"), default=None)

    def progress(self, name: str) -> Progress | None:
        """See ``EventStorage``."""
        return self._link.run(self._progresses.load(name))

    def archive(self, segment: Segment, removed: Sequence[tuple[str, str, int]]) -> None:
        """See ``EventStorage``; the segment first, then aggregate by aggregate."""
        self._link.run(self._archived.archive(segment, removed))

    def segments(self) -> tuple[Segment, ...]:
        """See ``EventStorage``."""
        return self._link.run(self._archived.segments())

    def counts(self) -> Mapping[str, int]:
        """See ``EventStorage``; reads the headers of all messages once."""
        return self._link.run(self._counts())

    async def _counts(self) -> dict[str, int]:
        return {
            "events": await self._pages.count(),
            "aggregates": len(await self._stream.subjects(self._all)),
            "snapshots": len(await self._bucket.keys("snapshot.>")),
        }

    def close(self) -> None:
        """See ``EventStorage``."""
        self._link.close()
