"""Figures of a pattern matcher."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PatternStats:
    """Figures of a matcher, since it was made; a restored one goes on counting.

    Attributes:
        events: that were given to it.
        late: how many of them were below the watermark.
        retractions: how many of them took back an earlier value, and were ignored.
        matches: that it gave.
        timed_out: partial matches whose window ended before they were a match.
        waiting: events that the watermark has not passed.
        keys: that have partial matches.
        partial_matches: that are open.
        watermark: in microseconds; ``bridge.processing.watermark.BEGINNING`` before the first
            event.
    """

    events: int
    late: int
    retractions: int
    matches: int
    timed_out: int
    waiting: int
    keys: int
    partial_matches: int
    watermark: int
