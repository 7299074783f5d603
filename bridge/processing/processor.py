"""Aggregates keyed events in windows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Literal, TypeAlias, TypeGuard

from bridge.core.errors import BridgeError, ConfigError
from bridge.processing.aggregates.errors import Unaggregatable
from bridge.processing.aggregates.function import AggregationFunction
from bridge.processing.events import StreamEvent
from bridge.processing.state.one_piece import check_in_one_piece
from bridge.processing.stats import ProcessorStats
from bridge.processing.time import Duration, microseconds
from bridge.processing.watermark import BEGINNING, BoundedOutOfOrderness
from bridge.processing.windows.aligned import AlignedWindows
from bridge.processing.windows.contents import Contents
from bridge.processing.windows.counted import CountWindows
from bridge.processing.windows.definitions import AlignedWindow, Window, WindowType
from bridge.processing.windows.result import WindowResult
from bridge.processing.windows.sessions import SessionWindows
from bridge.processing.windows.slices import SlicedWindows
from bridge.processing.windows.unbounded import GlobalWindows

Answer: TypeAlias = WindowResult | Unaggregatable
"""What an event gives: results, or the reason why an aggregate cannot take it."""


class StreamProcessor:
    """Puts events into windows by key, and tells what the aggregates of each window are.

    What it gives depends on the events and on their order alone. One event gives first what its
    own windows tell at once, the earliest window first; then the results of the windows that it
    closes, by their end, then by which key came first.

    An aggregate that cannot take a value raises ``Unaggregatable``. The processor is in the
    middle of that event then: restore it from a snapshot to go on.

    Args:
        window: which events belong together.
        aggregates: by name, as results give them; one alone is called ``value``.
        name: of the processor; results and their ids hold it.
        allowed_lateness: how long a window that was told is kept to be told again, in
            microseconds or a timedelta.
        emit: ``final`` tells a window when it is complete; ``updates`` also after each event.
        out_of_orderness: how far an event may be behind the newest one, in microseconds or a
            timedelta.
        time: ``event``, that of the events; or ``processing``, what :meth:`advance` says it is.

    Raises:
        ConfigError: the settings do not go together, or one makes no sense.
    """

    def __init__(
        self,
        window: Window,
        aggregates: AggregationFunction | Mapping[str, AggregationFunction],
        *,
        name: str = "processor",
        allowed_lateness: Duration = 0,
        emit: Literal["final", "updates"] = "final",
        out_of_orderness: Duration = 0,
        time: Literal["event", "processing"] = "event",
    ) -> None:
        _check_window(name, window)
        _check_choice(name, "emit", emit, ("final", "updates"))
        _check_choice(name, "time", time, ("event", "processing"))
        lateness = microseconds(allowed_lateness, "allowed_lateness", minimum=0)
        if not isinstance(aggregates, Mapping):
            aggregates = {"value": aggregates}
        _check_functions(name, aggregates)
        updates = emit == "updates"
        contents = Contents(name, aggregates)
        self._name = name
        self._by_clock = time == "processing"
        self._watermark = BoundedOutOfOrderness(out_of_orderness)
        self._make_windows: Callable[
            [], AlignedWindows | SlicedWindows | SessionWindows | CountWindows | GlobalWindows
        ]
        if isinstance(window, WindowType.Count):
            self._make_windows = partial(CountWindows, window, contents, updates=updates)
        elif isinstance(window, WindowType.Global):
            _check_updates(name, emit)
            self._make_windows = partial(GlobalWindows, contents)
        elif isinstance(window, WindowType.Session):
            _check_merging(name, aggregates)
            self._make_windows = partial(
                SessionWindows, window, contents, updates=updates, allowed_lateness=lateness
            )
        elif not updates and _overlaps(window) and all(f.merges for f in aggregates.values()):
            self._make_windows = partial(SlicedWindows, window, contents, allowed_lateness=lateness)
        else:
            self._make_windows = partial(
                AlignedWindows, window, contents, updates=updates, allowed_lateness=lateness
            )
        self._windows = self._make_windows()
        if self._by_clock or isinstance(window, WindowType.Count | WindowType.Global):
            for setting, length in (
                ("allowed_lateness", lateness),
                ("out_of_orderness", self._watermark.bound),
            ):
                if length:
                    raise ConfigError(
                        f"Processor {name!r} has {setting}, but none of its events can be late.",
                        remedy=f"Leave {setting} out with processing time and with count and "
                        "global windows.",
                    )
        self._late: list[StreamEvent] = []
        self._event_count = self._late_count = self._result_count = 0

    def process_event(self, event: StreamEvent) -> list[WindowResult]:
        """Take one event in and return what it gives.

        Raises:
            Unaggregatable: an aggregate cannot take its value.
            BridgeError: there was no :meth:`advance` yet, in processing time.
        """
        return self.process_batch((event,))

    def process_batch(
        self, events: Iterable[StreamEvent], *, moves_time: bool = True
    ) -> list[WindowResult]:
        """Take events in and return what they give, as if each came alone.

        Args:
            events: in the order of their arrival.
            moves_time: whether they say how far time has come. Those that come in no order of
                time, such as the rows of a table, do not: then none makes another one late.

        Raises:
            Unaggregatable: an aggregate cannot take the value of one of them.
            BridgeError: there was no :meth:`advance` yet, in processing time.
        """
        if self._by_clock:
            events = self._at_this_time(events)
        windows, add, observe = self._windows, self._windows.add, self._watermark.observe
        results: list[WindowResult] = []
        watermark, count = self._watermark.current, 0
        for event in events:
            count += 1
            if not add(event, watermark, results):
                self._late.append(event)
                self._late_count += 1
            if moves_time:
                watermark = observe(event.timestamp)
            if watermark >= windows.due:
                windows.advance(watermark, results)
        self._event_count += count
        self._result_count += len(results)
        return results

    def process_apart(
        self, events: Iterable[StreamEvent], *, moves_time: bool = True
    ) -> list[tuple[int, Answer]]:
        """Take events in and return what each gives, with its index among them.

        An event that an aggregate cannot take gives the error, and nothing else changes but the
        time.

        Args:
            events: in the order of their arrival.
            moves_time: as in :meth:`process_batch`.

        Raises:
            BridgeError: there was no :meth:`advance` yet, in processing time.
        """
        answers: list[tuple[int, Answer]] = []
        for index, event in enumerate(events):
            told: list[WindowResult]
            try:
                told = self.process_batch((event,), moves_time=moves_time)
            except Unaggregatable as error:
                answers.append((index, error))
                moves = moves_time and not self._by_clock
                told = self.advance(event.timestamp - self._watermark.bound) if moves else []
            answers += [(index, result) for result in told]
        return answers

    def _at_this_time(self, events: Iterable[StreamEvent]) -> list[StreamEvent]:
        now = self._watermark.current
        if now == BEGINNING:
            raise BridgeError(
                f"Processor {self._name!r} works in processing time and does not know the time.",
                remedy="Call advance with the time, in microseconds, before the first event.",
            )
        return [event._replace(timestamp=now) for event in events]

    def advance(self, watermark: int) -> list[WindowResult]:
        """Let time pass without an event, and return what the windows tell that end now.

        Args:
            watermark: in microseconds: no event before it will come. In processing time it is the
                time. One that is behind changes nothing.
        """
        results: list[WindowResult] = []
        reached = self._watermark.advance(watermark)
        if reached >= self._windows.due:
            self._windows.advance(reached, results)
        self._result_count += len(results)
        return results

    def clear(self) -> list[WindowResult]:
        """Take everything out of the windows that are kept, and return what they tell at once.

        Raises:
            BridgeError: windows of this type cannot be emptied.
        """
        if isinstance(self._windows, SessionWindows | CountWindows):
            raise BridgeError(f"The windows of processor {self._name!r} cannot be emptied.")
        results = self._clear()
        self._result_count += len(results)
        return results

    def _clear(self) -> list[WindowResult]:
        assert not isinstance(self._windows, SessionWindows | CountWindows)
        results: list[WindowResult] = []
        self._windows.clear(results)
        return results

    def take_late(self) -> list[StreamEvent]:
        """Return the events that came too late for all of their windows, each of them once."""
        late, self._late = self._late, []
        return late

    def get_stats(self) -> ProcessorStats:
        """Return figures; counting the keys looks at every open window."""
        open_windows, keys = self._windows.count()
        return ProcessorStats(
            events=self._event_count,
            late=self._late_count,
            results=self._result_count,
            open_windows=open_windows,
            keys=keys,
            watermark=self._watermark.current,
        )

    def snapshot(self) -> Any:
        """Return a copy of the state as plain data, if keys and the values of late events are."""
        return {**self._progress(), "windows": self._windows.dump()}

    def _progress(self) -> dict[str, Any]:
        return {
            "watermark": self._watermark.current,
            "counts": [self._event_count, self._late_count, self._result_count],
            "late": [tuple(event) for event in self._late],
        }

    def restore(self, state: Any) -> None:
        """Go on where the processor was that gave this :meth:`snapshot`.

        Args:
            state: of a processor with the same settings.

        Raises:
            EnvironmentProblem: it is that of a ``PartitionedProcessor``, and holds no windows.
        """
        check_in_one_piece(f"processor {self._name!r}", state)
        self._take_over(state)
        self._windows.load(state["windows"])

    def _take_over(self, state: Any) -> None:
        self._watermark.current = state["watermark"]
        self._event_count, self._late_count, self._result_count = state["counts"]
        self._late = [StreamEvent(*event) for event in state["late"]]


def _check_window(name: str, window: object) -> None:
    if not isinstance(window, Window):
        raise ConfigError(
            f"The window of processor {name!r} is {_what(window)}.",
            remedy="Give one of WindowType with its size, such as WindowType.Tumbling(60_000_000).",
        )


def _check_functions(name: str, aggregates: Mapping[str, object]) -> None:
    for aggregate, function in aggregates.items():
        if not isinstance(function, AggregationFunction):
            raise ConfigError(
                f"Aggregate {aggregate!r} of processor {name!r} is {_what(function)}.",
                remedy="Give an aggregation function, such as AggregationFunction.Count().",
            )


def _what(given: object) -> str:
    return f"the class {given.__name__}" if isinstance(given, type) else f"a {type(given).__name__}"


def _overlaps(window: AlignedWindow) -> TypeGuard[WindowType.Sliding]:
    return isinstance(window, WindowType.Sliding) and window.slide < window.size


def _check_choice(name: str, setting: str, choice: str, choices: tuple[str, ...]) -> None:
    if choice not in choices:
        raise ConfigError(
            f"{setting} of processor {name!r} is {choice!r}.",
            remedy=f"It has to be {' or '.join(choices)}.",
        )


def _check_updates(name: str, emit: str) -> None:
    if emit != "updates":
        raise ConfigError(
            f"Processor {name!r} has a global window, which never ends, and emit is {emit!r}.",
            remedy="Set emit to updates.",
        )


def _check_merging(name: str, aggregates: Mapping[str, AggregationFunction]) -> None:
    for aggregate, function in aggregates.items():
        if not function.merges:
            raise ConfigError(
                f"Aggregate {aggregate!r} of processor {name!r} cannot merge, as sessions do.",
                remedy="Give the function a way to merge, or use another type of window.",
            )
