"""Tumbling and sliding windows: the same for all keys, so that one entry of a heap closes many."""

from __future__ import annotations

from heapq import heappop, heappush
from operator import itemgetter
from typing import Any

from bridge.processing.events import Key, StreamEvent, normal_key
from bridge.processing.watermark import END
from bridge.processing.windows.contents import Contents, OpenWindow
from bridge.processing.windows.definitions import AlignedWindow
from bridge.processing.windows.result import WindowResult


class _Span:
    """One window in time: that of every key that has events in it, in the order of their coming."""

    __slots__ = ("closed", "end", "windows")

    def __init__(self, end: int, *, closed: bool) -> None:
        self.end = end
        self.closed = closed
        self.windows: dict[Key, OpenWindow] = {}


class AlignedWindows:
    """The open windows of a processor with tumbling or sliding windows.

    A window closes when the watermark reaches its end, and is forgotten when it is
    ``allowed_lateness`` further.

    Args:
        definition: of the windows.
        contents: of the windows.
        updates: whether each event gives results at once.
        allowed_lateness: in microseconds.

    Attributes:
        due: the watermark at which there is something to close or to forget.
    """

    __slots__ = ("_contents", "_definition", "_lateness", "_spans", "_times", "_updates", "due")

    def __init__(
        self, definition: AlignedWindow, contents: Contents, *, updates: bool, allowed_lateness: int
    ) -> None:
        self._definition = definition
        self._contents = contents
        self._updates = updates
        self._lateness = allowed_lateness
        self._spans: dict[int, _Span] = {}
        self._times: list[tuple[int, int]] = []  # when to look at the span with which start
        self.due = END

    def add(self, event: StreamEvent, watermark: int, results: list[WindowResult]) -> bool:
        """Take an event in, and append what it gives at once, the earliest window first.

        Returns:
            Whether it is in time for one of its windows, or has none.
        """
        spans, late = self._spans, False
        taken = False
        for start in self._definition.starts(event.timestamp):
            span = spans.get(start)
            if span is None:
                end = self._definition.end(start)
                if end + self._lateness <= watermark:
                    late = True
                    continue
                span = spans[start] = _Span(end, closed=end <= watermark)
                self._look_at(start, span)
            taken = True
            window = span.windows.get(event.key)
            if window is None:
                key = normal_key(event.key)
                window = span.windows.get(key)
                if window is None:
                    window = span.windows[key] = self._contents.begin(key, start, span.end)
            self._contents.take(window.states, event)
            if self._updates or span.closed:
                results.append(self._contents.tell(window, final=span.closed))
        return taken or not late

    def advance(self, watermark: int, results: list[WindowResult]) -> None:
        """Append the results of the windows that end now, by end, then by arrival of the key."""
        times = self._times
        while times and times[0][0] <= watermark:
            start = heappop(times)[1]
            span = self._spans[start]
            if not span.closed:
                span.closed = True
                for window in span.windows.values():
                    results.append(self._contents.tell(window, final=True))
                if self._lateness:
                    self._look_at(start, span)
                    continue
            del self._spans[start]
        self.due = times[0][0] if times else END

    def clear(self, results: list[WindowResult]) -> None:
        """Take everything out of the windows, and append that those told at once are empty.

        These are all of them with ``updates``, and else those that have ended. The earliest come
        first, then by arrival of the key.
        """
        for _, span in sorted(self._spans.items(), key=itemgetter(0)):
            for window in span.windows.values():
                window.states = self._contents.create()
                if self._updates or span.closed:
                    results.append(self._contents.tell(window, final=span.closed))

    def _look_at(self, start: int, span: _Span) -> None:
        heappush(self._times, (span.end + self._lateness if span.closed else span.end, start))
        self.due = self._times[0][0]

    def count(self) -> tuple[int, int]:
        """Return how many windows are kept, and of how many keys."""
        spans = self._spans.values()
        keys: set[Key] = set().union(*(span.windows for span in spans))
        return sum(len(span.windows) for span in spans), len(keys)

    def dump(self) -> list[Any]:
        """Return the open windows as plain data."""
        return [
            [start, span.end, span.closed, list(map(self._contents.dump, span.windows.values()))]
            for start, span in self._spans.items()
        ]

    def load(self, plain: list[Any]) -> None:
        """Replace the open windows by those that :meth:`dump` made this of."""
        self._spans.clear()
        self._times.clear()
        self.due = END
        for start, end, closed, windows in plain:
            span = self._spans[start] = _Span(end, closed=closed)
            span.windows.update(
                (window.key, window) for window in map(self._contents.load, windows)
            )
            self._look_at(start, span)
