"""Streams and matches in the notation of Flink's page: ``a b1 b2 c``."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bridge.processing.events import StreamEvent
from bridge.processing.patterns import Pattern, PatternMatch, PatternMatcher

END = 1 << 60
"""A watermark beyond every event, in microseconds."""


def stream(text: str) -> list[StreamEvent]:
    """Return an event for each word, one microsecond apart."""
    return [StreamEvent("k", at, word, sequence=at) for at, word in enumerate(text.split())]


def is_a(*letters: str) -> Callable[[StreamEvent], bool]:
    """Return a condition: the word begins with one of the letters."""
    return lambda event: event.value[0] in letters


def words(matches: Sequence[PatternMatch]) -> list[str]:
    """Return the words of each match, in the order of the matches."""
    return [
        " ".join(event.value for taken in match.events.values() for event in taken)
        for match in matches
    ]


def match_all(matcher: PatternMatcher, events: Sequence[StreamEvent]) -> list[PatternMatch]:
    """Return all matches of a stream that ends."""
    matches = [match for event in events for match in matcher.process_event(event)]
    return matches + matcher.advance(END)


def found(pattern: Pattern, text: str) -> list[str]:
    """Return what a pattern matches in a stream."""
    return words(match_all(PatternMatcher(pattern), stream(text)))
