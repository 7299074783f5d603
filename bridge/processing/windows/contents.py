"""What a window holds: the state of each aggregate, and how often it has been told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bridge.core.errors import ConfigError
from bridge.processing.events import Key, StreamEvent, normal_key
from bridge.processing.windows.result import WindowResult

if TYPE_CHECKING:
    from bridge.processing.aggregates.function import AggregationFunction


class OpenWindow:
    """A window of one key that has events.

    Attributes:
        key: of the events, in its normal form.
        start: as in results.
        end: as in results.
        states: one for each aggregate.
        revision: of the next result, which is how many there have been.
    """

    __slots__ = ("end", "key", "revision", "start", "states")

    def __init__(self, key: Key, start: int, end: int, states: list[Any], revision: int) -> None:
        self.key = key
        self.start = start
        self.end = end
        self.states = states
        self.revision = revision


class Contents:
    """Fills the windows of one processor and tells what is in them.

    Args:
        processor: its name, for the results.
        aggregates: by name, as results give them.

    Raises:
        ConfigError: there is no aggregate.
    """

    def __init__(self, processor: str, aggregates: Mapping[str, AggregationFunction]) -> None:
        if not aggregates:
            raise ConfigError(
                f"Processor {processor!r} has no aggregates.", remedy="Give at least one."
            )
        self._processor = processor
        self._names = tuple(aggregates)
        self._functions = tuple(aggregates.values())
        self._adds = tuple(enumerate(function.add for function in self._functions))
        self._retracts = tuple(enumerate(function.retract for function in self._functions))

    def begin(self, key: Key, start: int, end: int) -> OpenWindow:
        """Return an empty window."""
        states = [function.create() for function in self._functions]
        return OpenWindow(key, start, end, states, 0)

    def take(self, window: OpenWindow, event: StreamEvent) -> None:
        """Add the event's value to the window, or take it back out if its weight is negative."""
        states, at = window.states, (event.timestamp, event.sequence)
        for position, change in self._adds if event.weight > 0 else self._retracts:
            states[position] = change(states[position], event.value, at)

    def absorb(self, window: OpenWindow, other: OpenWindow) -> None:
        """Add what ``other`` holds, which nobody uses after it."""
        window.states = [
            function.merge(mine, others)
            for function, mine, others in zip(
                self._functions, window.states, other.states, strict=True
            )
        ]

    def tell(self, window: OpenWindow, *, final: bool) -> WindowResult:
        """Return what the window holds as its next result."""
        values = {
            name: function.result(state)
            for name, function, state in zip(
                self._names, self._functions, window.states, strict=True
            )
        }
        return self._next(window, values, final)

    def take_back(self, window: OpenWindow) -> WindowResult:
        """Return the result that says that there is no such window."""
        return self._next(window, None, True)

    def _next(
        self, window: OpenWindow, values: Mapping[str, Any] | None, final: bool
    ) -> WindowResult:
        revision = window.revision
        window.revision = revision + 1
        return WindowResult(
            self._processor, window.key, window.start, window.end, values, final, revision
        )

    def dump(self, window: OpenWindow) -> list[Any]:
        """Return key, start, end, revision and the states of the window as plain data."""
        states = [
            function.dump(state)
            for function, state in zip(self._functions, window.states, strict=True)
        ]
        return [window.key, window.start, window.end, window.revision, states]

    def load(self, plain: list[Any]) -> OpenWindow:
        """Return the window that :meth:`dump` made this of."""
        key, start, end, revision, states = plain
        return OpenWindow(
            normal_key(key),
            start,
            end,
            [function.load(state) for function, state in zip(self._functions, states, strict=True)],
            revision,
        )
