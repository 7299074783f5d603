"""Count windows: the last events of each key, in order of arrival."""

from __future__ import annotations

from typing import Any

from bridge.processing.events import Key, StreamEvent, normal_key
from bridge.processing.watermark import END
from bridge.processing.windows.contents import Contents, OpenWindow
from bridge.processing.windows.definitions import WindowType
from bridge.processing.windows.result import WindowResult


class _Arrivals:
    """How many events of a key have come, and its windows that are not full, by their start."""

    __slots__ = ("count", "windows")

    def __init__(self, count: int) -> None:
        self.count = count
        self.windows: dict[int, OpenWindow] = {}


class CountWindows:
    """The windows of a processor with count windows. They close when they are full.

    Args:
        definition: of the windows.
        contents: of the windows.
        updates: whether each event gives results at once.

    Attributes:
        due: never; these windows ignore time.
    """

    __slots__ = ("_arrivals", "_contents", "_count", "_slide", "_updates", "due")

    def __init__(self, definition: WindowType.Count, contents: Contents, *, updates: bool) -> None:
        self._count = definition.count
        self._slide = definition.slide or definition.count
        self._contents = contents
        self._updates = updates
        self._arrivals: dict[Key, _Arrivals] = {}
        self.due = END

    def add(self, event: StreamEvent, watermark: int, results: list[WindowResult]) -> bool:
        """Take an event in, and append what it gives, the earliest window first.

        Returns:
            True: no event is late.
        """
        arrivals = self._arrivals.get(event.key)
        if arrivals is None:
            arrivals = self._arrivals.setdefault(normal_key(event.key), _Arrivals(0))
        number = arrivals.count
        arrivals.count = number + 1
        windows = arrivals.windows
        # The ends are the multiples of the slide, and the start is `count` before the end.
        end = number - number % self._slide + self._slide
        while end - self._count <= number:
            start = end - self._count
            window = windows.get(start)
            if window is None:
                window = windows[start] = self._contents.begin(normal_key(event.key), start, end)
            self._contents.take(window.states, event)
            full = end == number + 1
            if full:
                del windows[start]
            if full or self._updates:
                results.append(self._contents.tell(window, final=full))
            end += self._slide
        return True

    def advance(self, watermark: int, results: list[WindowResult]) -> None:
        """Do nothing: time closes no count window."""

    def count(self) -> tuple[int, int]:
        """Return how many windows are kept, and of how many keys."""
        arrivals = self._arrivals.values()
        return sum(len(of_key.windows) for of_key in arrivals), len(arrivals)

    def dump(self) -> list[Any]:
        """Return the keys with their open windows as plain data."""
        return [
            [key, of_key.count, list(map(self._contents.dump, of_key.windows.values()))]
            for key, of_key in self._arrivals.items()
        ]

    def load(self, plain: list[Any]) -> None:
        """Replace the keys and windows by those that :meth:`dump` made this of."""
        self._arrivals.clear()
        for key, count, windows in plain:
            of_key = self._arrivals[normal_key(key)] = _Arrivals(count)
            of_key.windows.update(
                (window.start, window) for window in map(self._contents.load, windows)
            )
