"""Sliding windows put together from slices, so that an event is added once, not to each window."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heappop, heappush
from itertools import chain
from operator import attrgetter, itemgetter
from typing import Any, Final

from bridge.processing.events import Key, StreamEvent, normal_key
from bridge.processing.watermark import END
from bridge.processing.windows.contents import Contents
from bridge.processing.windows.definitions import WindowType
from bridge.processing.windows.result import WindowResult


class _Part:
    """What a key has in one slice.

    Attributes:
        number: how many parts began before it.
        key: in its normal form.
        states: one for each aggregate.
    """

    __slots__ = ("key", "number", "states")

    def __init__(self, number: int, key: Key, states: list[Any]) -> None:
        self.number = number
        self.key = key
        self.states = states


class _Slice:
    """A stretch of time that every window holds as a whole or not at all.

    Attributes:
        first_end: when the first window ends that holds it.
        parts: of every key that has events in it, in the order of their coming.
    """

    __slots__ = ("first_end", "parts")

    def __init__(self, first_end: int) -> None:
        self.first_end = first_end
        self.parts: dict[Key, _Part] = {}


class _Window:
    """A window that is kept, because a slice of it is.

    Attributes:
        closed: whether the watermark has reached its end.
        revisions: of the next result of each key for which there has been one.
    """

    __slots__ = ("closed", "revisions")

    def __init__(self, *, closed: bool) -> None:
        self.closed = closed
        self.revisions: dict[Key, int] = {}


_number: Final = attrgetter("number")


class SlicedWindows:
    """The open windows of a processor whose sliding windows overlap and are told when they end.

    Time is cut where a window begins or ends. The values of a slice are aggregated once; what a
    window tells is merged from its slices. It tells the same as if it had aggregated by itself, in
    the same order. A slice is forgotten with the last window that holds it.

    Args:
        definition: of the windows.
        contents: of the windows; all of its aggregates merge.
        allowed_lateness: in microseconds.

    Attributes:
        due: the watermark at which there is something to close or to forget.
    """

    __slots__ = (
        "_contents",
        "_definition",
        "_lateness",
        "_next_number",
        "_remainder",
        "_slices",
        "_times",
        "_windows",
        "due",
    )

    def __init__(
        self, definition: WindowType.Sliding, contents: Contents, *, allowed_lateness: int
    ) -> None:
        self._definition = definition
        self._contents = contents
        self._lateness = allowed_lateness
        # Where the slide does not divide the size, windows end this long after others begin.
        self._remainder = definition.size % definition.slide
        self._slices: dict[int, _Slice] = {}  # by start
        self._windows: dict[int, _Window] = {}  # by start
        self._times: list[tuple[int, int]] = []  # when to look at the window with which start
        self._next_number = 0
        self.due = END

    def add(self, event: StreamEvent, watermark: int, results: list[WindowResult]) -> bool:
        """Take an event in, and append what it gives at once, the earliest window first.

        Returns:
            Whether it is in time for one of its windows.
        """
        timestamp, key = event.timestamp, event.key
        into = (timestamp - self._definition.offset) % self._definition.slide
        start = timestamp - into
        if 0 < self._remainder <= into:
            start += self._remainder
        held = self._slices.get(start) or self._begin(start, watermark)
        if held is None:
            return False
        part = held.parts.get(key)
        if part is None:
            key = normal_key(key)
            part = held.parts.get(key)
            if part is None:
                part = held.parts[key] = _Part(self._next_number, key, self._contents.create())
                self._next_number += 1
        self._contents.take(part.states, event)
        if held.first_end <= watermark:
            self._tell_again(start, part.key, results)
        return True

    def _begin(self, start: int, watermark: int) -> _Slice | None:
        """Return a new slice, if a window holds it that is not forgotten."""
        starts = self._definition.starts(start)
        size = self._definition.size
        if starts[-1] + size + self._lateness <= watermark:
            return None
        for window_start in starts:
            end = window_start + size
            if end + self._lateness > watermark and window_start not in self._windows:
                self._keep(window_start, closed=end <= watermark)
        held = self._slices[start] = _Slice(starts[0] + size)
        return held

    def _keep(self, start: int, *, closed: bool) -> _Window:
        window = self._windows[start] = _Window(closed=closed)
        self._look_at(start, closed=closed)
        return window

    def _tell_again(self, start: int, key: Key, results: list[WindowResult]) -> None:
        """Append the windows with this slice that have ended, but are not forgotten."""
        for window_start in self._definition.starts(start):
            window = self._windows.get(window_start)
            if window is not None and window.closed:
                parts = [held.parts[key] for held in self._of(window_start) if key in held.parts]
                results.append(self._tell(window_start, window, parts))

    def advance(self, watermark: int, results: list[WindowResult]) -> None:
        """Append the results of the windows that end now, by end, then by arrival of the key."""
        times = self._times
        while times and times[0][0] <= watermark:
            start = heappop(times)[1]
            window = self._windows[start]
            if not window.closed:
                window.closed = True
                for parts in self._by_key(start).values():
                    results.append(self._tell(start, window, parts))
                if self._lateness:
                    self._look_at(start, closed=True)
                    continue
            self._forget(start)
        self.due = times[0][0] if times else END

    def clear(self, results: list[WindowResult]) -> None:
        """Take everything out of the windows, and append that those that have ended are empty.

        The earliest come first, then by arrival of the key.
        """
        for held in self._slices.values():
            for part in held.parts.values():
                part.states = self._contents.create()
        for start, window in sorted(self._windows.items(), key=itemgetter(0)):
            if window.closed:
                for parts in self._by_key(start).values():
                    results.append(self._tell(start, window, parts))

    def _tell(self, start: int, window: _Window, parts: list[_Part]) -> WindowResult:
        key = parts[0].key
        revision = window.revisions.get(key, 0)
        if self._lateness:
            window.revisions[key] = revision + 1
        states = self._contents.merged([part.states for part in parts])
        values = self._contents.values(states)
        end = start + self._definition.size
        return WindowResult(self._contents.processor, key, start, end, values, True, revision)

    def _by_key(self, start: int) -> dict[Key, list[_Part]]:
        """Return the parts of each key of a window, in the order in which the keys came."""
        found: dict[Key, list[_Part]] = {}
        slices = (held.parts.values() for held in self._of(start))
        for part in sorted(chain.from_iterable(slices), key=_number):
            found.setdefault(part.key, []).append(part)
        return found

    def _of(self, start: int) -> Iterator[_Slice]:
        """Yield the slices of a window that have events, the earliest first."""
        end = start + self._definition.size
        for begin in range(start, end, self._definition.slide):
            for cut in (begin, begin + self._remainder) if self._remainder else (begin,):
                held = self._slices.get(cut)
                if held is not None and cut < end:
                    yield held

    def _look_at(self, start: int, *, closed: bool) -> None:
        end = start + self._definition.size
        heappush(self._times, (end + self._lateness if closed else end, start))
        self.due = self._times[0][0]

    def _forget(self, start: int) -> None:
        """Forget a window, with the slices that no later window holds."""
        del self._windows[start]
        for cut in (start, start + self._remainder):
            self._slices.pop(cut, None)

    def count(self) -> tuple[int, int]:
        """Return how many windows are kept, and of how many keys."""
        keys: set[Key] = set().union(*(held.parts for held in self._slices.values()))
        return sum(len(self._by_key(start)) for start in self._windows), len(keys)

    def dump(self) -> list[Any]:
        """Return slices and windows as plain data."""
        slices = [
            [
                start,
                [
                    [part.number, part.key, self._contents.dump_states(part.states)]
                    for part in held.parts.values()
                ],
            ]
            for start, held in self._slices.items()
        ]
        windows = [
            [start, window.closed, [[key, number] for key, number in window.revisions.items()]]
            for start, window in self._windows.items()
        ]
        return [self._next_number, slices, windows]

    def load(self, plain: list[Any]) -> None:
        """Replace slices and windows by those that :meth:`dump` made this of."""
        self._slices.clear()
        self._windows.clear()
        self._times.clear()
        self.due = END
        self._next_number, slices, windows = plain
        for start, parts in slices:
            held = _Slice(self._definition.starts(start)[0] + self._definition.size)
            self._slices[start] = held
            for number, of_key, states in parts:
                key = normal_key(of_key)
                held.parts[key] = _Part(number, key, self._contents.load_states(states))
        for start, closed, revisions in windows:
            window = self._keep(start, closed=closed)
            window.revisions.update((normal_key(key), number) for key, number in revisions)
