"""The types of windows as they are defined. Names and rules are those of Apache Flink.

https://nightlies.apache.org/flink/flink-docs-stable/docs/dev/datastream/operators/windows/
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias
from zoneinfo import ZoneInfo

from bridge.core.errors import ConfigError
from bridge.processing.time import DAY, Duration, microseconds
from bridge.processing.windows.days import LocalDays


class WindowType:
    """The types of windows. Lengths are microseconds or a timedelta, and kept as microseconds.

    Windows in time hold the events from their start to before their end. Tumbling and sliding
    ones are aligned to the Unix epoch, whatever the first event is.
    """

    @dataclass(frozen=True, init=False)
    class Tumbling:
        """Windows of one size, one after the other.

        Args:
            size: of a window.
            offset: moves all windows, such as days so that they begin at six in the morning.
            timezone: IANA name. The windows then begin at midnight there (plus ``offset`` on the
                clock), so that a day with a change of clocks has 23 or 25 hours.

        Raises:
            ConfigError: no size, an unknown timezone, or one with a size that is not whole days.
        """

        size: int
        offset: int
        timezone: str | None
        _days: LocalDays | None = field(repr=False, compare=False)

        def __init__(
            self, size: Duration, offset: Duration = 0, timezone: str | None = None
        ) -> None:
            days = None
            length = microseconds(size, "size of a tumbling window", minimum=1)
            shift = microseconds(offset, "offset of a tumbling window")
            if timezone is not None:
                zone = _zone(timezone)
                if length % DAY:
                    raise ConfigError(
                        "timezone is for windows of whole days, and size is not.",
                        remedy="Leave timezone out, or give a size of one day or more.",
                    )
                days = LocalDays(zone, length, shift)
            object.__setattr__(self, "size", length)
            object.__setattr__(self, "offset", shift)
            object.__setattr__(self, "timezone", timezone)
            object.__setattr__(self, "_days", days)

        def starts(self, timestamp: int) -> Sequence[int]:
            """Return the start of the window that this time belongs to."""
            if self._days is not None:
                return (self._days.start_of(timestamp),)
            return (timestamp - (timestamp - self.offset) % self.size,)

        def end(self, start: int) -> int:
            """Return the end of the window with this start."""
            return start + self.size if self._days is None else self._days.end_of(start)

    @dataclass(frozen=True, init=False)
    class Sliding:
        """Windows of one size that begin every ``slide``, also called hopping windows.

        Args:
            size: of a window.
            slide: from the start of one window to the start of the next. Longer than ``size``,
                it leaves gaps, and the events in them belong to no window.
            offset: moves all windows.

        Raises:
            ConfigError: no size, or no slide.
        """

        size: int
        slide: int
        offset: int

        def __init__(self, size: Duration, slide: Duration, offset: Duration = 0) -> None:
            lengths = {
                "size": microseconds(size, "size of a sliding window", minimum=1),
                "slide": microseconds(slide, "slide of a sliding window", minimum=1),
                "offset": microseconds(offset, "offset of a sliding window"),
            }
            for name, length in lengths.items():
                object.__setattr__(self, name, length)

        def starts(self, timestamp: int) -> Sequence[int]:
            """Return the starts of the windows that this time belongs to, the earliest first."""
            slide = self.slide
            last = timestamp - (timestamp - self.offset) % slide
            before = (last + self.size - 1 - timestamp) // slide
            return range(last - before * slide, last + 1, slide)

        def end(self, start: int) -> int:
            """Return the end of the window with this start."""
            return start + self.size

    @dataclass(frozen=True, init=False)
    class Session:
        """Windows of activity, one for each run of events no more than ``gap`` apart.

        A session begins with its first event, and ends ``gap`` after its last one. An event that
        joins two sessions makes them one.

        Args:
            gap: the longest pause within a session.

        Raises:
            ConfigError: no gap.
        """

        gap: int

        def __init__(self, gap: Duration) -> None:
            object.__setattr__(self, "gap", microseconds(gap, "gap of a session window", minimum=1))

    @dataclass(frozen=True)
    class Count:
        """Windows over the last ``count`` events of a key, in order of arrival, whatever the time.

        Args:
            count: how many events a window holds.
            slide: after how many events of the key there is a result; ``count`` if None. The
                first windows hold fewer events when it is less than ``count``.

        Raises:
            ConfigError: no count, or no slide.
        """

        count: int
        slide: int | None = None

        def __post_init__(self) -> None:
            for name in ("count", "slide"):
                number = getattr(self, name)
                if number is None and name == "slide":
                    continue
                if not isinstance(number, int) or isinstance(number, bool) or number < 1:
                    raise ConfigError(
                        f"{name} of a count window is {number!r}.",
                        remedy="It has to be a whole number of events, 1 or more.",
                    )

    @dataclass(frozen=True)
    class Global:
        """One window for each key, which never ends: every event gives its next result."""


AlignedWindow: TypeAlias = WindowType.Tumbling | WindowType.Sliding
Window: TypeAlias = AlignedWindow | WindowType.Session | WindowType.Count | WindowType.Global


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError, TypeError):
        # Unknown; no name of a zone; the name of a folder; no text.
        raise ConfigError(
            f"timezone {name!r} is unknown.",
            remedy="Give an IANA name such as Europe/Berlin; "
            "the system's package tzdata has to be installed.",
        ) from None
