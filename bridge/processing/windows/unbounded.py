"""The global window: one for each key, which never ends."""

from __future__ import annotations

from typing import Any

from bridge.processing.events import Key, StreamEvent, normal_key
from bridge.processing.watermark import BEGINNING, END
from bridge.processing.windows.contents import Contents, OpenWindow
from bridge.processing.windows.result import WindowResult


class GlobalWindows:
    """The window of each key of a processor. Every event gives its next result.

    Args:
        contents: of the windows.

    Attributes:
        due: never; these windows ignore time.
    """

    __slots__ = ("_contents", "_windows", "due")

    def __init__(self, contents: Contents) -> None:
        self._contents = contents
        self._windows: dict[Key, OpenWindow] = {}
        self.due = END

    def add(self, event: StreamEvent, watermark: int, results: list[WindowResult]) -> bool:
        """Take an event in, and append what the window of its key holds now.

        Returns:
            True: no event is late.
        """
        window = self._windows.get(event.key)
        if window is None:
            key = normal_key(event.key)
            window = self._windows.get(key)
            if window is None:
                window = self._windows[key] = self._contents.begin(key, BEGINNING, END)
        self._contents.take(window.states, event)
        results.append(self._contents.tell(window, final=False))
        return True

    def advance(self, watermark: int, results: list[WindowResult]) -> None:
        """Do nothing: these windows never close."""

    def clear(self, results: list[WindowResult]) -> None:
        """Take everything out of the windows, and append that they are empty."""
        for window in self._windows.values():
            window.states = self._contents.create()
            results.append(self._contents.tell(window, final=False))

    def count(self) -> tuple[int, int]:
        """Return how many windows are kept, and of how many keys."""
        return len(self._windows), len(self._windows)

    def dump(self) -> list[Any]:
        """Return the windows as plain data."""
        return list(map(self._contents.dump, self._windows.values()))

    def load(self, plain: list[Any]) -> None:
        """Replace the windows by those that :meth:`dump` made this of."""
        windows = map(self._contents.load, plain)
        self._windows = {window.key: window for window in windows}
