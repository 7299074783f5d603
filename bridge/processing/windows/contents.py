"""What a window holds: the state of each aggregate, and how often it has been told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bridge.core.errors import ConfigError
from bridge.processing.aggregates.errors import Unaggregatable
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

    Attributes:
        processor: the same.

    Raises:
        ConfigError: there is no aggregate.
    """

    def __init__(self, processor: str, aggregates: Mapping[str, AggregationFunction]) -> None:
        if not aggregates:
            raise ConfigError(
                f"Processor {processor!r} has no aggregates.", remedy="Give at least one."
            )
        self.processor = processor
        self._functions = tuple(aggregates.values())
        self._empty: list[Any] = [None] * len(self._functions)
        self._creates = tuple(enumerate(function.create for function in self._functions))
        self._adds = tuple(enumerate(function.add for function in self._functions))
        self._retracts = tuple(enumerate(function.retract for function in self._functions))
        self._results = tuple(
            enumerate((name, function.result) for name, function in aggregates.items())
        )

    def create(self) -> list[Any]:
        """Return the states of no values."""
        states = self._empty.copy()  # of the very length, which a list that grew has not
        for position, create in self._creates:
            states[position] = create()
        return states

    def begin(self, key: Key, start: int, end: int) -> OpenWindow:
        """Return an empty window."""
        return OpenWindow(key, start, end, self.create(), 0)

    def take(self, states: list[Any], event: StreamEvent) -> None:
        """Add the event's value, or take it back out if its weight is negative.

        Raises:
            Unaggregatable: an aggregate cannot take it, or not back. Then nothing was taken back,
                but those before it may have taken the value in.
        """
        value, at = event.value, (event.timestamp, event.sequence)
        if event.weight > 0:
            for position, add in self._adds:
                states[position] = add(states[position], value, at)
            return
        for position, retract in self._retracts:
            try:
                states[position] = retract(states[position], value, at)
            except Unaggregatable:
                for done, add in self._adds[:position]:
                    states[done] = add(states[done], value, at)
                raise

    def merged(self, parts: Sequence[list[Any]]) -> list[Any]:
        """Return the states of the values of all parts, which stay as they are."""
        if len(parts) == 1:
            return parts[0]
        states = self.create()
        for part in parts:
            self._merge(states, part)
        return states

    def absorb(self, window: OpenWindow, other: OpenWindow) -> None:
        """Add what ``other`` holds."""
        self._merge(window.states, other.states)

    def _merge(self, states: list[Any], others: list[Any]) -> None:
        for position, function in enumerate(self._functions):
            states[position] = function.merge(states[position], others[position])

    def values(self, states: list[Any]) -> dict[str, Any]:
        """Return what each aggregate gives, by name."""
        values = {}
        for position, (name, result) in self._results:
            values[name] = result(states[position])
        return values

    def tell(self, window: OpenWindow, *, final: bool) -> WindowResult:
        """Return what the window holds as its next result."""
        return self._next(window, self.values(window.states), final)

    def take_back(self, window: OpenWindow) -> WindowResult:
        """Return the result that says that there is no such window."""
        return self._next(window, None, True)

    def _next(
        self, window: OpenWindow, values: Mapping[str, Any] | None, final: bool
    ) -> WindowResult:
        revision = window.revision
        window.revision = revision + 1
        return WindowResult(
            self.processor, window.key, window.start, window.end, values, final, revision
        )

    def dump_states(self, states: list[Any]) -> list[Any]:
        """Return a copy of states as plain data."""
        return [
            function.dump(state) for function, state in zip(self._functions, states, strict=True)
        ]

    def load_states(self, plain: list[Any]) -> list[Any]:
        """Return the states that :meth:`dump_states` copied."""
        return [
            function.load(state) for function, state in zip(self._functions, plain, strict=True)
        ]

    def dump(self, window: OpenWindow) -> list[Any]:
        """Return key, start, end, revision and the states of the window as plain data."""
        states = self.dump_states(window.states)
        return [window.key, window.start, window.end, window.revision, states]

    def load(self, plain: list[Any]) -> OpenWindow:
        """Return the window that :meth:`dump` made this of."""
        key, start, end, revision, states = plain
        return OpenWindow(normal_key(key), start, end, self.load_states(states), revision)
