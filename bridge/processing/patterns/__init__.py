"""Complex event processing: sequences of events that a pattern describes, for each key.

``docs/processing-patterns.md`` says what each operator means.
"""

from bridge.processing.patterns.definition import Pattern
from bridge.processing.patterns.errors import PatternFailed
from bridge.processing.patterns.matcher import PatternMatcher
from bridge.processing.patterns.result import PatternMatch, TimedOut
from bridge.processing.patterns.skip import AfterMatchSkip
from bridge.processing.patterns.stats import PatternStats

__all__ = [
    "AfterMatchSkip",
    "Pattern",
    "PatternFailed",
    "PatternMatch",
    "PatternMatcher",
    "PatternStats",
    "TimedOut",
]
