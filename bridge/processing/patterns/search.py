"""What a pattern matcher keeps: events that wait for their time, and partial matches."""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import Any, Final, TypeAlias

from bridge.processing.events import Key, StreamEvent, normal_key
from bridge.processing.patterns.automaton import Automaton
from bridge.processing.patterns.result import PatternMatch, TimedOut
from bridge.processing.patterns.runs import Engine, Found, Runs
from bridge.processing.patterns.state import dump_runs, load_runs
from bridge.processing.watermark import END

Told: TypeAlias = list[tuple[tuple[int, ...], PatternMatch | TimedOut]]
"""Answers, each with its place: the time at which it was certain, 0 for the end of a window and 1
for an event, and the sequence of the event at which the window began, or of that event."""


class Search:
    """Looks for a pattern in the events of some keys, or of all.

    Args:
        name: of the matcher.
        automaton: of the pattern.
        engine: which moves partial matches on.
        window: all events of a match lie within this many microseconds; None for no limit.
    """

    def __init__(self, name: str, automaton: Automaton, engine: Engine, window: int | None) -> None:
        self._name: Final = name
        self._automaton: Final = automaton
        self._engine: Final = engine
        self._window: Final = window
        # Events that wait: by timestamp and sequence, and by their number where these are equal.
        self._waiting: list[tuple[int, int, int, StreamEvent]] = []
        self._looked_at = 0
        self._keys: dict[Key, Runs] = {}
        # Ends of windows, with the ordinal, the sequence and the key of the event that each began
        # with. Some of them are over already: nothing is open any more when their turn comes.
        self._ends: list[tuple[int, int, int, Key]] = []

    @property
    def due(self) -> int:
        """The watermark at which an event is looked at, or a window ends."""
        passed = self._waiting[0][0] + 1 if self._waiting else END
        return min(passed, self._ends[0][0] if self._ends else END)

    def take(self, item: tuple[StreamEvent, int]) -> tuple[()]:
        """Take an event, with the number of its arrival; it waits for its time."""
        event, arrival = item
        heappush(self._waiting, (event.timestamp, event.sequence, arrival, event))
        return ()

    def advance(self, watermark: int, told: Told) -> None:
        """Let time pass, and add what that makes certain.

        Raises:
            PatternFailed: a condition raised, or a skip strategy has nowhere to go.
        """
        while self._waiting and self._waiting[0][0] < watermark:
            event = heappop(self._waiting)[-1]
            self._end_windows(event.timestamp, told)
            self.look_at(event, told)
        self._end_windows(watermark, told)

    def look_at(self, event: StreamEvent, told: Told) -> None:
        """Move the runs of a key on by its next event, and add what they match.

        Raises:
            PatternFailed: as for ``advance``.
        """
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
            end = event.timestamp + self._window
            heappush(self._ends, (end, self._looked_at, event.sequence, key))
        if found:
            self._tell(key, found, (event.timestamp, 1, event.sequence), told)
        if not runs:
            del self._keys[key]

    def count(self) -> tuple[int, int, int]:
        """Return how many events wait, how many keys there are, and partial matches of them."""
        open_runs = sum(len(runs.open) for runs in self._keys.values())
        return len(self._waiting), len(self._keys), open_runs

    def dump(self) -> dict[str, Any]:
        """Return all of it as plain data."""
        return {
            "looked_at": self._looked_at,
            "waiting": [(arrival, tuple(event)) for _, _, arrival, event in self._waiting],
            "runs": dump_runs(self._keys),
        }

    def load(self, plain: Any) -> None:
        """Keep what ``dump`` returned, and nothing else."""
        self._looked_at = plain["looked_at"]
        waiting = ((arrival, StreamEvent(*event)) for arrival, event in plain["waiting"])
        self._waiting = [(event.timestamp, event.sequence, n, event) for n, event in waiting]
        heapify(self._waiting)
        self._keys = load_runs(plain["runs"], self._automaton)
        self._ends = []
        if self._window is not None:
            began: dict[tuple[int, int], tuple[int, Key]] = {}
            for key, runs in self._keys.items():
                for _, node in runs.open:
                    place = (node.began + self._window, node.first)
                    if place not in began:
                        began[place] = (node.path()[0].event.sequence, key)
            self._ends = [(*place, *first) for place, first in began.items()]
            heapify(self._ends)

    def _end_windows(self, now: int, told: Told) -> None:
        """End the windows that no event can fall into any more."""
        while self._ends and self._ends[0][0] <= now:
            end, first, sequence, key = heappop(self._ends)
            runs = self._keys.get(key)
            if runs is None:
                continue
            place = (end, 0, sequence)
            found, lost = self._engine.expire(runs, first, end)
            self._tell(key, found, place, told)
            for node in lost:
                events = self._engine.accepted(node)
                told.append((place, TimedOut(self._name, key, events, node.began, end)))
            if not runs:
                del self._keys[key]

    def _tell(self, key: Key, found: list[Found], place: tuple[int, ...], told: Told) -> None:
        for node, end in found:
            events = self._engine.accepted(node)
            told.append((place, PatternMatch(self._name, key, events, node.began, end)))
