"""How far event time has come."""

from __future__ import annotations

from typing import Final

from bridge.processing.time import Duration, microseconds

BEGINNING: Final = -(1 << 63)
"""The watermark before the first event, in microseconds: earlier than every timestamp."""

END: Final = (1 << 63) - 1
"""The watermark after the last event, in microseconds: later than every timestamp."""


class BoundedOutOfOrderness:
    """Says how far event time has come if events are out of order by no more than a bound.

    A watermark promises that no event with a timestamp below it will come; an event that breaks
    the promise is late. It is the highest timestamp seen less the bound, and never goes back.

    Args:
        bound: how far an event may be behind the newest one, in microseconds or a timedelta.

    Attributes:
        bound: the same, in microseconds.
        current: the watermark in microseconds; ``BEGINNING`` before the first event.

    Raises:
        ConfigError: the bound is negative.
    """

    __slots__ = ("bound", "current")

    def __init__(self, bound: Duration = 0) -> None:
        self.bound = microseconds(bound, "out_of_orderness", minimum=0)
        self.current = BEGINNING

    def observe(self, timestamp: int) -> int:
        """Take note of an event and return the watermark after it."""
        return self.advance(timestamp - self.bound)

    def advance(self, to: int) -> int:
        """Move the watermark without an event, such as with the clock of an idle source.

        Args:
            to: the watermark to reach; one that is behind changes nothing.

        Returns:
            The watermark.
        """
        if to > self.current:
            self.current = to
        return self.current
