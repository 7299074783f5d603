"""Looks for a pattern in keyed streams of events."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Literal

from bridge.core.errors import BridgeError, ConfigError
from bridge.processing.events import StreamEvent
from bridge.processing.patterns.automaton import Automaton
from bridge.processing.patterns.definition import Pattern
from bridge.processing.patterns.result import PatternMatch, TimedOut
from bridge.processing.patterns.runs import Engine
from bridge.processing.patterns.search import Search, Told
from bridge.processing.patterns.stats import PatternStats
from bridge.processing.state.one_piece import check_in_one_piece
from bridge.processing.time import Duration
from bridge.processing.watermark import BEGINNING, BoundedOutOfOrderness

_COUNTERS: Final = ("events", "late", "retractions", "matches", "timed_out")


class PatternMatcher:
    """Looks for a pattern among the events of each key.

    In event time, events wait until the watermark has passed them and are then looked at in the
    order of timestamp, sequence and arrival. One that is below the watermark when it arrives is
    late: it is not looked at. In processing time, an event is looked at when it arrives, at the
    time that ``advance`` told last, whatever its timestamp is.

    Matches come in the order in which they become certain, over all keys; those of one event in
    the order in which they began. At a time at which windows end and events come, the windows
    end first. A retraction (an event with a negative weight) is counted and otherwise ignored.

    Values of events and keys are kept as they are: they must not change afterwards.

    Args:
        pattern: what to look for.
        name: of the matcher; it goes into the matches and their ids.
        out_of_orderness: how far an event may be behind the newest one, in microseconds or a
            timedelta.
        time: of the events: event time, or processing time.

    Raises:
        ConfigError: the pattern cannot be matched, or an argument makes no sense.
    """

    def __init__(
        self,
        pattern: Pattern,
        *,
        name: str = "pattern",
        out_of_orderness: Duration = 0,
        time: Literal["event", "processing"] = "event",
    ) -> None:
        if time not in ("event", "processing"):
            raise ConfigError(
                f"There is no time {time!r} for {name}.", remedy="Use 'event' or 'processing'."
            )
        self._name: Final = name
        self._window: Final = pattern.window
        self._automaton: Final = Automaton(pattern)
        self._engine: Final = Engine(self._automaton, pattern.skip)
        self._in_event_time: Final = time == "event"
        self._watermark: Final = BoundedOutOfOrderness(out_of_orderness)
        if not self._in_event_time and self._watermark.bound:
            raise ConfigError(
                f"{name} has out_of_orderness in processing time, in which nothing is out of "
                "order.",
                remedy="Leave it away, or use time='event'.",
            )
        self._search = self._make_search()
        self._arrivals = 0
        self._late: list[StreamEvent] = []
        self._timed_out: list[TimedOut] = []
        self._counts = dict.fromkeys(_COUNTERS, 0)

    def process_event(self, event: StreamEvent, *, moves_time: bool = True) -> list[PatternMatch]:
        """Take an event.

        Args:
            event: of any key.
            moves_time: whether it says how far time has come, as one out of a heap of old rows
                does not.

        Returns:
            The matches that are certain now.

        Raises:
            BridgeError: there was no ``advance`` yet, in processing time.
            PatternFailed: a condition raised, or a skip strategy has nowhere to go. The matcher
                has to be restored from a snapshot then.
        """
        if not self._admit(event):
            return []
        if not self._in_event_time:
            told: Told = []
            self._search.look_at(event._replace(timestamp=self._now()), told)
            return self._sort_out(told)
        self._arrivals += 1
        self._search.take((event, self._arrivals))
        if not moves_time:
            return []
        return self.advance(self._watermark.observe(event.timestamp))

    def advance(self, watermark: int) -> list[PatternMatch]:
        """Let time pass without an event.

        Args:
            watermark: in microseconds since the Unix epoch: no event with a lower timestamp will
                come. In processing time it is the time. One that is behind changes nothing.

        Returns:
            The matches that are certain now.

        Raises:
            PatternFailed: as for ``process_event``.
        """
        told: Told = []
        self._search.advance(self._watermark.advance(watermark), told)
        return self._sort_out(told)

    def flush(self) -> Iterator[list[PatternMatch]]:
        """Yield nothing: matches come with the call that makes them certain.

        A matcher in partitions gathers its events instead, and yields here the matches of each
        call in turn. What timed out with them can be taken before the next are asked for.
        """
        yield from ()

    def take_late(self) -> list[StreamEvent]:
        """Return the late events since the last call, in the order of arrival."""
        late, self._late = self._late, []
        return late

    def take_timed_out(self) -> list[TimedOut]:
        """Return the partial matches that timed out since the last call, in order of their end."""
        timed_out, self._timed_out = self._timed_out, []
        return timed_out

    def get_stats(self) -> PatternStats:
        """Return figures; counting the partial matches looks at every key that has some."""
        return self._stats(*self._search.count())

    def snapshot(self) -> dict[str, Any]:
        """Return the state as plain data; side outputs that were not taken belong to it."""
        return {**self._progress(), **self._search.dump()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a snapshot of a matcher with the same definition.

        Raises:
            ConfigError: the snapshot is of a pattern with other steps.
            EnvironmentProblem: it is that of a matcher in partitions, and holds no events.
        """
        check_in_one_piece(f"pattern {self._name!r}", state)
        self._take_over(state)
        self._search.load(state)

    def _make_search(self) -> Search:
        return Search(self._name, self._automaton, self._engine, self._window)

    def _stats(self, waiting: int, keys: int, partial_matches: int) -> PatternStats:
        return PatternStats(
            **self._counts,
            waiting=waiting,
            keys=keys,
            partial_matches=partial_matches,
            watermark=self._watermark.current,
        )

    def _progress(self) -> dict[str, Any]:
        """Return the state without that of the search."""
        return {
            "steps": [step.name for step in self._automaton.steps],
            "watermark": self._watermark.current,
            "arrivals": self._arrivals,
            "late": [tuple(event) for event in self._late],
            "timed_out": [
                (
                    key,
                    [(step, [tuple(event) for event in taken]) for step, taken in events.items()],
                    start,
                    end,
                )
                for _, key, events, start, end in self._timed_out
            ],
            "counts": dict(self._counts),
        }

    def _take_over(self, state: dict[str, Any]) -> None:
        if state["steps"] != [step.name for step in self._automaton.steps]:
            raise ConfigError(
                f"The stored state of {self._name} is of a pattern with other steps.",
                remedy="Give the changed pattern a new name, or discard its state.",
            )
        self._watermark.current = state["watermark"]
        self._arrivals = state["arrivals"]
        self._late = [StreamEvent(*event) for event in state["late"]]
        self._timed_out = [
            TimedOut(
                self._name,
                key,
                {step: [StreamEvent(*event) for event in taken] for step, taken in events},
                start,
                end,
            )
            for key, events, start, end in state["timed_out"]
        ]
        self._counts = dict(state["counts"])

    def _admit(self, event: StreamEvent) -> bool:
        """Count an event and say whether to look at it; a late one is kept as such."""
        self._counts["events"] += 1
        if event.weight < 0:
            self._counts["retractions"] += 1
            return False
        if self._in_event_time and event.timestamp < self._watermark.current:
            self._counts["late"] += 1
            self._late.append(event)
            return False
        return True

    def _now(self) -> int:
        now = self._watermark.current
        if now == BEGINNING:
            raise BridgeError(
                f"{self._name} works in processing time and does not know the time.",
                remedy="Call advance with the time, in microseconds, before the first event.",
            )
        return now

    def _sort_out(self, told: Told) -> list[PatternMatch]:
        """Return the matches, and keep what timed out until it is taken; both are counted."""
        if not told:
            return []
        matches: list[PatternMatch] = []
        for _, answer in told:
            if isinstance(answer, PatternMatch):
                matches.append(answer)
            else:
                self._timed_out.append(answer)
        self._counts["matches"] += len(matches)
        self._counts["timed_out"] += len(told) - len(matches)
        return matches
