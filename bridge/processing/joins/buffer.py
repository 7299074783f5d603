"""What one side of an interval join keeps of its events, until nothing can need them any more."""

from __future__ import annotations

from bisect import bisect_left, insort
from heapq import heappop, heappush
from typing import Any, TypeAlias

from bridge.processing.events import Key, StreamEvent, normal_key
from bridge.processing.watermark import END

_Kept: TypeAlias = tuple[int, int, int, Key, StreamEvent]
"""Timestamp, sequence, arrival, key and event, of an event that is kept. It sorts without ever
comparing keys: no two arrivals are the same."""


class Buffer:
    """The events of one side.

    Those of a key are in a sorted list, and all together in a heap, so that an event is found
    through its key, and dropped without a look at other keys.

    Args:
        reach: how long after its own timestamp an event may still find a partner, in microseconds.
        watch_lonely: whether to remember which events have found no partner yet.

    Attributes:
        due: the watermark above which there is something to drop.
    """

    __slots__ = ("_in_time", "_lonely", "_of_key", "_reach", "_watch_lonely", "due")

    def __init__(self, reach: int, *, watch_lonely: bool) -> None:
        self._reach = reach
        self._watch_lonely = watch_lonely
        self._of_key: dict[Key, _Sorted] = {}
        self._in_time: list[_Kept] = []
        self._lonely: set[int] = set()
        self.due = END

    def __len__(self) -> int:
        return len(self._in_time)

    def add(self, event: StreamEvent, arrival: int, *, lonely: bool) -> None:
        """Keep an event.

        Args:
            event: what to keep.
            arrival: the number of the event in order of arrival, which no other event has.
            lonely: whether it has no partner yet.
        """
        key = event.key
        events = self._of_key.get(key)
        if events is None:
            key = normal_key(key)
            events = self._of_key.setdefault(key, _Sorted())
        kept = (event.timestamp, event.sequence, arrival, key, event)
        events.add(kept)
        heappush(self._in_time, kept)
        self.due = self._in_time[0][0] + self._reach
        if lonely and self._watch_lonely:
            self._lonely.add(arrival)

    def meet(self, key: Key, first: int, last: int) -> list[StreamEvent]:
        """Return the events of a key from ``first`` to ``last``, both included, in order.

        They are not lonely from now on.
        """
        events = self._of_key.get(key)
        if events is None:
            events = self._of_key.get(normal_key(key))
            if events is None:
                return []
        found = events.between(first, last)
        if self._lonely:
            self._lonely.difference_update(arrival for _, _, arrival, _, _ in found)
        return [event for _, _, _, _, event in found]

    def drop(self, watermark: int) -> list[StreamEvent]:
        """Drop the events that no event at the watermark or later reaches.

        Returns:
            those that stayed lonely, in order.
        """
        lonely = []
        in_time = self._in_time
        gone = watermark - self._reach
        while in_time and in_time[0][0] < gone:
            _, _, arrival, key, event = heappop(in_time)
            if self._of_key[key].drop_first():
                del self._of_key[key]
            if arrival in self._lonely:
                self._lonely.remove(arrival)
                lonely.append(event)
        self.due = in_time[0][0] + self._reach if in_time else END
        return lonely

    def snapshot(self) -> list[tuple[int, bool, tuple[Any, ...]]]:
        """Return arrival, loneliness and event of all that is kept, in order."""
        return [
            (arrival, arrival in self._lonely, tuple(event))
            for _, _, arrival, _, event in sorted(self._in_time)
        ]

    def restore(self, state: list[tuple[int, bool, tuple[Any, ...]]]) -> None:
        """Keep what ``snapshot`` returned, and nothing else."""
        self._of_key.clear()
        self._in_time.clear()
        self._lonely.clear()
        self.due = END
        for arrival, lonely, fields in state:
            self.add(StreamEvent(*fields), arrival, lonely=lonely)


class _Sorted:
    """The events of one key, in order of time.

    The first one is always the next to go. Taking it out of a list moves all others, so it only
    goes behind a mark, and the list is cut when half of it is behind the mark.
    """

    __slots__ = ("_events", "_first")

    def __init__(self) -> None:
        self._events: list[_Kept] = []
        self._first = 0

    def add(self, kept: _Kept) -> None:
        events = self._events
        if not events or kept > events[-1]:
            events.append(kept)
        else:
            insort(events, kept, lo=self._first)

    def between(self, first: int, last: int) -> list[_Kept]:
        # A tuple of a timestamp alone comes before all that begin with it.
        begin = bisect_left(self._events, (first,), lo=self._first)
        end = bisect_left(self._events, (last + 1,), lo=begin)
        return self._events[begin:end]

    def drop_first(self) -> bool:
        """Drop the first event; return whether it was the last one, too."""
        self._first += 1
        if 2 * self._first >= len(self._events):
            del self._events[: self._first]
            self._first = 0
        return not self._events
