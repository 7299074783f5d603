"""Days as a place on earth has them: most have 24 hours, some 23 or 25."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

_EPOCH: Final = datetime(1970, 1, 1)
_MICROSECOND: Final = timedelta(microseconds=1)
_FIRST: Final = (datetime(2, 1, 1) - _EPOCH) // _MICROSECOND
_LAST: Final = (datetime(9998, 1, 1) - _EPOCH) // _MICROSECOND
_KEPT: Final = 10_000


class LocalDays:
    """Cuts time at a local time of day, always after the same number of days.

    The n-th cut is where the clocks show n sizes and the offset after 1970-01-01 00:00: the first
    time, if they show it twice. If they never do, it is where they would have without the change:
    so a day begins at 01:00 where midnight is skipped.

    Args:
        zone: of the clocks.
        size: of a window in microseconds, a whole number of days.
        offset: in microseconds.
    """

    __slots__ = ("_cuts", "_offset", "_size", "_zone")

    def __init__(self, zone: ZoneInfo, size: int, offset: int) -> None:
        self._zone = zone
        self._size = size
        self._offset = offset
        self._cuts: dict[int, int] = {}

    def start_of(self, timestamp: int) -> int:
        """Return the start of the window that this time belongs to."""
        return self._cut(self._number(timestamp))

    def end_of(self, start: int) -> int:
        """Return the end of the window with this start."""
        return self._cut(self._number(start) + 1)

    def _number(self, timestamp: int) -> int:
        # Right in UTC, and off by one at most where clocks differ from it by less than a day.
        number = (timestamp - self._offset) // self._size
        while self._cut(number) > timestamp:
            number -= 1
        while self._cut(number + 1) <= timestamp:
            number += 1
        return number

    def _cut(self, number: int) -> int:
        cut = self._cuts.get(number)
        if cut is None:
            wall = number * self._size + self._offset
            cut = wall - self._ahead_of_utc(wall)
            if len(self._cuts) >= _KEPT:
                self._cuts.clear()
            self._cuts[number] = cut
        return cut

    def _ahead_of_utc(self, wall: int) -> int:
        # Python's calendar ends where PostgreSQL's goes on: there the clocks stay as they were.
        shown = _EPOCH + timedelta(microseconds=min(max(wall, _FIRST), _LAST))
        offset = shown.replace(tzinfo=self._zone).utcoffset()
        assert offset is not None
        return offset // _MICROSECOND
