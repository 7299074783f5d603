"""What a pattern gives."""

from __future__ import annotations

from typing import NamedTuple

from bridge.processing.events import Key, StreamEvent
from bridge.processing.identity import result_id


class PatternMatch(NamedTuple):
    """Events that match a pattern.

    Attributes:
        pattern: name of the matcher.
        key: of all the events.
        events: by the name of the step that accepted them, in the order of the steps; each list
            is oldest first. A step that took none is absent.
        start: timestamp of the first event, in microseconds since the Unix epoch.
        end: when the match became certain: the timestamp of its last event; for a pattern that
            ends with ``not_next``, of the event after it; with ``not_followed_by``, the end of
            the window.
    """

    pattern: str
    key: Key
    events: dict[str, list[StreamEvent]]
    start: int
    end: int

    @property
    def id(self) -> str:
        """A UUID of version 8, the same for the same match in every run.

        It is made of the name of the matcher, the key, and of step, timestamp and sequence of
        each event.
        """
        return result_id(self.pattern, self.key, _places(self.events))

    def __repr__(self) -> str:  # never the values of rows, nor the key, which is one
        return f"<PatternMatch {self.pattern!r} {_places(self.events)}>"


class TimedOut(NamedTuple):
    """A partial match whose window ended before it was a match.

    Attributes:
        pattern: name of the matcher.
        key: of all the events.
        events: what it had accepted, as in ``PatternMatch``.
        start: timestamp of the first event, in microseconds since the Unix epoch.
        end: of the window, ``within`` after the start.
    """

    pattern: str
    key: Key
    events: dict[str, list[StreamEvent]]
    start: int
    end: int

    @property
    def id(self) -> str:
        """A UUID of version 8 as that of a match, and never that of one."""
        return result_id(self.pattern, "timed out", self.key, _places(self.events))

    def __repr__(self) -> str:
        return f"<TimedOut {self.pattern!r} {_places(self.events)}>"


def _places(
    events: dict[str, list[StreamEvent]],
) -> tuple[tuple[str, tuple[tuple[int, int], ...]], ...]:
    return tuple(
        (step, tuple((event.timestamp, event.sequence) for event in taken))
        for step, taken in events.items()
    )
