"""Looks for a pattern in keyed streams of events."""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import Any, Final, Literal

from bridge.core.errors import BridgeError, ConfigError
from bridge.processing.events import Key, StreamEvent, normal_key
from bridge.processing.patterns.automaton import Automaton
from bridge.processing.patterns.definition import Pattern
from bridge.processing.patterns.result import PatternMatch, TimedOut
from bridge.processing.patterns.runs import Engine, Found, Runs
from bridge.processing.patterns.state import dump_runs, load_runs
from bridge.processing.patterns.stats import PatternStats
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
        # Events that wait: by timestamp and sequence, and by their number where these are equal.
        self._waiting: list[tuple[int, int, int, StreamEvent]] = []
        self._arrivals = 0
        self._looked_at = 0
        self._keys: dict[Key, Runs] = {}
        # Ends of windows, with the ordinal and the key of the event that each began with. Some
        # of them are over already: nothing is open any more when their turn comes.
        self._ends: list[tuple[int, int, Key]] = []
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
        self._counts["events"] += 1
        if event.weight < 0:
            self._counts["retractions"] += 1
            return []
        if not self._in_event_time:
            matches: list[PatternMatch] = []
            self._look_at(event._replace(timestamp=self._now()), matches)
            return matches
        if event.timestamp < self._watermark.current:
            self._counts["late"] += 1
            self._late.append(event)
            return []
        self._arrivals += 1
        heappush(self._waiting, (event.timestamp, event.sequence, self._arrivals, event))
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
        now = self._watermark.advance(watermark)
        matches: list[PatternMatch] = []
        while self._waiting and self._waiting[0][0] < now:
            event = heappop(self._waiting)[-1]
            matches += self._end_windows(event.timestamp)
            self._look_at(event, matches)
        return matches + self._end_windows(now)

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
        return PatternStats(
            **self._counts,
            waiting=len(self._waiting),
            keys=len(self._keys),
            partial_matches=sum(len(runs.open) for runs in self._keys.values()),
            watermark=self._watermark.current,
        )

    def snapshot(self) -> dict[str, Any]:
        """Return the state as plain data; side outputs that were not taken belong to it."""
        return {
            "steps": [step.name for step in self._automaton.steps],
            "watermark": self._watermark.current,
            "arrivals": self._arrivals,
            "looked_at": self._looked_at,
            "waiting": [(arrival, tuple(event)) for _, _, arrival, event in self._waiting],
            "runs": dump_runs(self._keys),
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

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a snapshot of a matcher with the same definition.

        Raises:
            ConfigError: the snapshot is of a pattern with other steps.
        """
        if state["steps"] != [step.name for step in self._automaton.steps]:
            raise ConfigError(
                f"The stored state of {self._name} is of a pattern with other steps.",
                remedy="Give the changed pattern a new name, or discard its state.",
            )
        self._watermark.current = state["watermark"]
        self._arrivals = state["arrivals"]
        self._looked_at = state["looked_at"]
        waiting = ((arrival, StreamEvent(*event)) for arrival, event in state["waiting"])
        self._waiting = [(event.timestamp, event.sequence, n, event) for n, event in waiting]
        heapify(self._waiting)
        self._keys = load_runs(state["runs"], self._automaton)
        self._ends = []
        if self._window is not None:
            began = {
                (run.node.began + self._window, run.node.first): key
                for key, runs in self._keys.items()
                for run in runs.open
            }
            self._ends = [(*place, key) for place, key in began.items()]
            heapify(self._ends)
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

    def _now(self) -> int:
        now = self._watermark.current
        if now == BEGINNING:
            raise BridgeError(
                f"{self._name} works in processing time and does not know the time.",
                remedy="Call advance with the time, in microseconds, before the first event.",
            )
        return now

    def _look_at(self, event: StreamEvent, matches: list[PatternMatch]) -> None:
        """Move the runs of a key on by its next event, and add what they match."""
        key = event.key
        runs = self._keys.get(key)
        if runs is None:
            key = normal_key(key)
            runs = self._keys.get(key)
            if runs is None:
                runs = self._keys[key] = Runs()
        self._looked_at += 1
        found = self._engine.feed(runs, event, self._looked_at)
        if self._window is not None and runs.open and runs.open[-1].node.first == self._looked_at:
            heappush(self._ends, (event.timestamp + self._window, self._looked_at, key))
        self._tell(key, found, matches)
        if not runs:
            del self._keys[key]

    def _end_windows(self, now: int) -> list[PatternMatch]:
        """End the windows that no event can fall into any more."""
        matches: list[PatternMatch] = []
        while self._ends and self._ends[0][0] <= now:
            end, first, key = heappop(self._ends)
            runs = self._keys.get(key)
            if runs is None:
                continue
            found, lost = self._engine.expire(runs, first, end)
            self._tell(key, found, matches)
            for node in lost:
                events = self._engine.accepted(node)
                self._timed_out.append(TimedOut(self._name, key, events, node.began, end))
            self._counts["timed_out"] += len(lost)
            if not runs:
                del self._keys[key]
        return matches

    def _tell(self, key: Key, found: list[Found], matches: list[PatternMatch]) -> None:
        for node, end in found:
            events = self._engine.accepted(node)
            matches.append(PatternMatch(self._name, key, events, node.began, end))
        self._counts["matches"] += len(found)
