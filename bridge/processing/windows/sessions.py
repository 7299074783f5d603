"""Session windows: each key has its own, and they grow and merge."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from heapq import heappop, heappush
from operator import attrgetter
from typing import Any, Final

from bridge.processing.events import Key, StreamEvent, normal_key
from bridge.processing.watermark import END
from bridge.processing.windows.contents import Contents, OpenWindow
from bridge.processing.windows.definitions import WindowType
from bridge.processing.windows.result import WindowResult

_by_start: Final = attrgetter("start")
_by_end: Final = attrgetter("end")


class _Session(OpenWindow):
    """A session that is kept.

    Attributes:
        number: how many sessions began before it; of those that merge, the earliest keeps its own.
        closed: whether the watermark has passed its end.
        look: when to look at it next; other entries of the heap are out of date.
    """

    __slots__ = ("closed", "look", "number")

    def __init__(
        self,
        number: int,
        *,
        key: Key,
        start: int,
        end: int,
        states: list[Any],
        revision: int = 0,
        closed: bool = False,
    ) -> None:
        super().__init__(key, start, end, states, revision)
        self.number = number
        self.closed = closed
        self.look = END


class SessionWindows:
    """The sessions of a processor.

    As in Flink, an event exactly at the end of a session still belongs to it. So a session closes
    when the watermark has *passed* its end, or the order of arrival would decide on such an event.
    It is forgotten when the watermark is ``allowed_lateness`` further.

    Args:
        definition: of the windows.
        contents: of the windows.
        updates: whether each event gives results at once.
        allowed_lateness: in microseconds.

    Attributes:
        due: the watermark at which there is something to close or to forget.
    """

    __slots__ = (
        "_by_key",
        "_contents",
        "_gap",
        "_lateness",
        "_next_number",
        "_times",
        "_updates",
        "due",
    )

    def __init__(
        self,
        definition: WindowType.Session,
        contents: Contents,
        *,
        updates: bool,
        allowed_lateness: int,
    ) -> None:
        self._gap = definition.gap
        self._contents = contents
        self._updates = updates
        self._lateness = allowed_lateness
        self._by_key: dict[Key, list[_Session]] = {}  # by start; they never overlap
        # When to look at which session; its number decides between those of one time.
        self._times: list[tuple[int, int, _Session]] = []
        self._next_number = 0
        self.due = END

    def add(self, event: StreamEvent, watermark: int, results: list[WindowResult]) -> bool:
        """Take an event in, and append what it gives at once.

        Results that take sessions back come before that of the session they are now part of.

        Returns:
            Whether it is in time.
        """
        key, start = event.key, event.timestamp
        end = start + self._gap
        sessions = self._by_key.get(key)
        if sessions is None:
            key = normal_key(key)
            sessions = self._by_key.get(key, [])
        if sessions and sessions[-1].start <= start <= sessions[-1].end:
            session = sessions[-1]  # where most events belong
            session.end = max(session.end, end)
        else:
            first = bisect_left(sessions, start, key=_by_end)
            after = bisect_right(sessions, end, lo=first, key=_by_start)
            # A session that was told and forgotten may have begun there: no other may now.
            if end + self._lateness < watermark and (
                first == after or sessions[first].start > start
            ):
                return False
            if first < after:
                session = self._merge(sessions, first, after, start, end, results)
            else:
                session = self._begin(normal_key(key), start, end)
                sessions.insert(first, session)
                self._by_key[session.key] = sessions
        was_closed, session.closed = session.closed, session.end < watermark
        if session.look == END or (was_closed and not session.closed):
            self._look_at(session)
        self._contents.take(session.states, event)
        if self._updates or session.closed:
            results.append(self._contents.tell(session, final=session.closed))
        return True

    def _begin(self, key: Key, start: int, end: int) -> _Session:
        states = self._contents.create()
        session = _Session(self._next_number, key=key, start=start, end=end, states=states)
        self._next_number += 1
        return session

    def _merge(
        self,
        sessions: list[_Session],
        first: int,
        after: int,
        start: int,
        end: int,
        results: list[WindowResult],
    ) -> _Session:
        """Make one session of those from ``first`` to before ``after`` and of an event.

        The session is known by its start: whatever was told of another start is taken back.
        """
        merged, *others = sessions[first:after]
        if start < merged.start:
            if merged.revision:
                results.append(self._contents.take_back(merged))
            merged.start, merged.revision = start, 0
        for other in others:
            if other.revision:
                results.append(self._contents.take_back(other))
            self._contents.absorb(merged, other)
            merged.end = other.end
            other.look = END
        merged.end = max(merged.end, end)
        del sessions[first + 1 : after]
        return merged

    def advance(self, watermark: int, results: list[WindowResult]) -> None:
        """Append the results of the sessions that end now, by end, then by their beginning."""
        times = self._times
        while times and times[0][0] <= watermark:
            when, _, session = heappop(times)
            if session.look != when:
                continue
            if self._time_of(session) > when:  # it has grown since
                self._look_at(session)
            elif not session.closed:
                session.closed = True
                results.append(self._contents.tell(session, final=True))
                if self._lateness:
                    self._look_at(session)
                else:
                    self._forget(session)
            else:
                self._forget(session)
        self.due = times[0][0] if times else END

    def _time_of(self, session: _Session) -> int:
        passed = session.end + 1
        return passed + self._lateness if session.closed else passed

    def _look_at(self, session: _Session) -> None:
        session.look = self._time_of(session)
        heappush(self._times, (session.look, session.number, session))
        self.due = self._times[0][0]

    def _forget(self, session: _Session) -> None:
        sessions = self._by_key[session.key]
        if len(sessions) == 1:
            del self._by_key[session.key]
        else:
            sessions.remove(session)

    def count(self) -> tuple[int, int]:
        """Return how many windows are kept, and of how many keys."""
        return sum(map(len, self._by_key.values())), len(self._by_key)

    def dump(self) -> list[Any]:
        """Return the sessions as plain data."""
        return [
            self._next_number,
            [
                [session.number, session.closed, self._contents.dump(session)]
                for sessions in self._by_key.values()
                for session in sessions
            ],
        ]

    def load(self, plain: list[Any]) -> None:
        """Replace the sessions by those that :meth:`dump` made this of."""
        self._by_key.clear()
        self._times.clear()
        self.due = END
        self._next_number, sessions = plain
        for number, closed, window in sessions:
            kept = self._contents.load(window)
            session = _Session(
                number,
                key=kept.key,
                start=kept.start,
                end=kept.end,
                states=kept.states,
                revision=kept.revision,
                closed=closed,
            )
            self._by_key.setdefault(session.key, []).append(session)
            self._look_at(session)
        for of_key in self._by_key.values():
            of_key.sort(key=_by_start)
