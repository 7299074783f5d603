"""Reads events page by page; each page goes on where the one before it ended."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from bridge.eventsourcing.records import Recorded
from bridge.runtime.eventstores.jetstream.aggregates import Key, check_order
from bridge.runtime.eventstores.jetstream.archived import Archived
from bridge.runtime.eventstores.jetstream.messages import decode, message_of
from bridge.runtime.eventstores.jetstream.names import aggregate_of
from bridge.runtime.eventstores.jetstream.reading import Reader, find
from bridge.runtime.eventstores.jetstream.stream import Stream

_KEPT: Final = 16
"""Places that are remembered. One that is not is looked for, which takes longer."""

_Question: TypeAlias = tuple[str, str | None, int]
"""Subject, event type, and the sequence after which events are asked for."""


@dataclass(slots=True)
class _Bookmark:
    """Where a reader of pages is: events that were read and not yet asked for, and the rest."""

    reader: Reader
    waiting: list[Recorded] = field(default_factory=list)
    last_sequence: int | None = None


class Pages:
    """The events of a stream. Used in the thread of the loop alone.

    Args:
        stream: with the events.
        events: what all their subjects begin with.
        archived: what is not to be seen any more.
    """

    def __init__(self, stream: Stream, events: str, archived: Archived) -> None:
        self._stream = stream
        self._events = events
        self._archived = archived
        self._bookmarks: OrderedDict[_Question, _Bookmark] = OrderedDict()
        self._counted: Reader | None = None
        self._count = 0
        self._count_marks: dict[Key, int] = {}

    async def of_all(self, after: int, limit: int) -> list[Recorded]:
        """See ``EventStorage.read_all``."""
        return await self._page(
            (f"{self._events}.>", None, after), limit, lambda e: e.global_sequence > after
        )

    async def of_type(self, event_type: str, after: int, limit: int) -> list[Recorded]:
        """See ``EventStorage.read_type``."""

        def wanted(event: Recorded) -> bool:
            return event.event_type == event_type and event.global_sequence > after

        return await self._page((f"{self._events}.>", event_type, after), limit, wanted)

    async def of_aggregate(self, key: str, after: int, limit: int) -> list[Recorded]:
        """See ``EventStorage.read_aggregate``."""
        return await self._page(
            (f"{self._events}.{key}", "", after), limit, lambda e: e.sequence > after
        )

    async def _page(
        self, question: _Question, limit: int, wanted: Callable[[Recorded], bool]
    ) -> list[Recorded]:
        subject, kind, after = question
        of_aggregate = kind == ""
        last = await self._stream.last(subject)
        if last is None:
            return []
        await self._archived.look()
        bookmark = self._bookmarks.pop(question, None)
        if bookmark is None:
            place = message_of(after)[0]
            if of_aggregate:
                place = await find(self._stream, subject, after + 1, last)
            bookmark = _Bookmark(Reader(self._stream, subject, place))
        events = [event for event in bookmark.waiting if self._archived.is_here(event)]
        while len(events) < limit:
            messages = await bookmark.reader.read(last.sequence)
            if not messages:
                break
            for message in messages:
                if of_aggregate:
                    check_order(message, bookmark.last_sequence)
                    bookmark.last_sequence = message.last
                events += [e for e in decode(message) if wanted(e) and self._archived.is_here(e)]
        page, bookmark.waiting = events[:limit], events[limit:]
        if page:
            after = page[-1].sequence if of_aggregate else page[-1].global_sequence
        await self._keep((subject, kind, after), bookmark)
        return page

    async def _keep(self, question: _Question, bookmark: _Bookmark) -> None:
        kept = [self._bookmarks.pop(question, None)]
        self._bookmarks[question] = bookmark
        if len(self._bookmarks) > _KEPT:
            kept.append(self._bookmarks.popitem(last=False)[1])
        for old in kept:
            if old is not None:
                await old.reader.close()

    async def count(self) -> int:
        """Return how many events there are; reads on where it has counted before."""
        last = await self._stream.last(f"{self._events}.>")
        await self._archived.look()
        if self._counted is None or self._count_marks != self._archived.marks:
            self._count, self._count_marks = 0, dict(self._archived.marks)
            self._counted = Reader(self._stream, f"{self._events}.>", headers_only=True)
        if last is not None:
            while messages := await self._counted.read(last.sequence):
                for message in messages:
                    mark = self._count_marks.get(aggregate_of(message.subject), 0)
                    self._count += max(0, message.last - max(mark, message.first - 1))
        return self._count
