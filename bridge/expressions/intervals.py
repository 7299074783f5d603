"""Intervals: months, days and microseconds, which do not convert into each other exactly.

https://www.postgresql.org/docs/current/datatype-datetime.html#DATATYPE-INTERVAL-INPUT
"""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from decimal import Decimal
from functools import total_ordering
from typing import Final

from bridge.expressions.errors import EvaluationError
from bridge.expressions.times import (
    DAY_US,
    Moment,
    checked_timestamp,
    clock_text,
    day_parts,
    days_of,
)

_MONTH_DAYS: Final = 30


@total_ordering
@dataclass(frozen=True, slots=True, eq=False)
class Interval:
    """A span of time. They compare as if a month had 30 days and a day 24 hours."""

    months: int
    days: int
    us: int

    @property
    def span(self) -> int:
        """The length in microseconds, as comparisons take it."""
        return (self.months * _MONTH_DAYS + self.days) * DAY_US + self.us

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Interval) and self.span == other.span

    def __lt__(self, other: Interval) -> bool:
        return self.span < other.span

    def __hash__(self) -> int:
        return hash(self.span)


_UNITS: Final = {
    **dict.fromkeys(("microsecond", "microseconds", "us", "usec", "usecs"), (0, 0, 1)),
    **dict.fromkeys(("millisecond", "milliseconds", "ms", "msec", "msecs"), (0, 0, 1_000)),
    **dict.fromkeys(("second", "seconds", "sec", "secs", "s"), (0, 0, 1_000_000)),
    **dict.fromkeys(("minute", "minutes", "min", "mins", "m"), (0, 0, 60_000_000)),
    **dict.fromkeys(("hour", "hours", "hr", "hrs", "h"), (0, 0, 3_600_000_000)),
    **dict.fromkeys(("day", "days", "d"), (0, 1, 0)),
    **dict.fromkeys(("week", "weeks", "w"), (0, 7, 0)),
    **dict.fromkeys(("month", "months", "mon", "mons"), (1, 0, 0)),
    **dict.fromkeys(("year", "years", "yr", "yrs", "y"), (12, 0, 0)),
    **dict.fromkeys(("decade", "decades"), (120, 0, 0)),
    **dict.fromkeys(("century", "centuries"), (1200, 0, 0)),
}
_PART: Final = re.compile(
    r"\s*(?:(?P<sign>[+-])?(?P<hours>[0-9]{1,10}):(?P<minutes>[0-9]{2})"
    r"(?::(?P<seconds>[0-9]{2}(?:\.[0-9]{1,6})?))?(?=\s|$)"
    r"|(?P<count>[+-]?[0-9]{1,12}(?:\.[0-9]{1,6})?)\s*(?P<unit>[a-z]+))",
    re.ASCII | re.IGNORECASE,
)


def parse_interval(text: str) -> Interval:
    """Read an interval as the server prints it, or as counts with units.

    Raises:
        ValueError: the text has another form.
    """
    text = text.strip()
    ago = text.lower().endswith(" ago")
    rest = text[:-4] if ago else text
    months = days = us = at = 0
    if not rest.strip():
        raise ValueError("not an interval")
    while at < len(rest):
        found = _PART.match(rest, at)
        if found is None:
            raise ValueError("not an interval")
        at = found.end()
        if found["unit"] is None:
            minutes, seconds = int(found["minutes"]), Decimal(found["seconds"] or 0)
            if minutes > 59 or seconds >= 60:
                raise ValueError("there is no such time")
            part = (int(found["hours"]) * 60 + minutes) * 60_000_000 + int(seconds * 1_000_000)
            us += -part if found["sign"] == "-" else part
            continue
        if found["unit"].lower() not in _UNITS:
            raise ValueError("not a unit of time")
        unit_months, unit_days, unit_us = _UNITS[found["unit"].lower()]
        count = Decimal(found["count"])
        whole = int(count)
        months, days = months + whole * unit_months, days + whole * unit_days
        us += whole * unit_us
        if count != whole:
            if not unit_us:
                raise ValueError("only units below a day can have a fraction")
            us += round((count - whole) * unit_us)
    sign = -1 if ago else 1
    return _checked(sign * months, sign * days, sign * us, ValueError)


def _checked(
    months: int, days: int, us: int, error: type[ValueError | EvaluationError] = EvaluationError
) -> Interval:
    if abs(months) < 2**31 and abs(days) < 2**31 and abs(us) < 2**63:
        return Interval(months, days, us)
    raise error("interval out of range")


def interval_text(value: Interval) -> str:
    """Print an interval as the server does."""
    years = abs(value.months) // 12 * (1 if value.months >= 0 else -1)
    parts: list[str] = []
    after_negative = False
    for count, unit in ((years, "year"), (value.months - 12 * years, "mon"), (value.days, "day")):
        if count:
            # A part says that it is positive only if the part before it is not.
            plus = "+" if after_negative and count > 0 else ""
            parts.append(f"{plus}{count} {unit}{'' if count == 1 else 's'}")
            after_negative = count < 0
    if value.us or not parts:
        sign = "-" if value.us < 0 else "+" if after_negative else ""
        parts.append(sign + clock_text(abs(value.us)))
    return " ".join(parts)


def add(left: Interval, right: Interval) -> Interval:
    """Add, each part by itself."""
    return _checked(left.months + right.months, left.days + right.days, left.us + right.us)


def subtract(left: Interval, right: Interval) -> Interval:
    """Subtract, each part by itself."""
    return add(left, negate(right))


def negate(value: Interval) -> Interval:
    """Change the sign of each part."""
    return _checked(-value.months, -value.days, -value.us)


def timestamp_add(moment: Moment, interval: Interval) -> Moment:
    """Add months, on the last day of the month if need be, then days, then the rest; in UTC."""
    if isinstance(moment, float):
        return moment
    days, us = divmod(moment, DAY_US)
    if interval.months:
        year, month, day = day_parts(days)
        year, month = divmod(year * 12 + month - 1 + interval.months, 12)
        last = calendar.monthrange(year % 400 + 400, month + 1)[1]
        days = days_of(year, month + 1, min(day, last))
    try:
        return checked_timestamp((days + interval.days) * DAY_US + us + interval.us)
    except ValueError:
        raise EvaluationError("timestamp out of range") from None


def timestamp_subtract(moment: Moment, interval: Interval) -> Moment:
    """As ``timestamp_add`` of the negative."""
    return timestamp_add(moment, negate(interval))


def between(left: Moment, right: Moment) -> Interval:
    """``left - right`` in days and the rest."""
    if isinstance(left, float) or isinstance(right, float):
        raise EvaluationError("infinite timestamps have no distance")
    difference = left - right
    days = abs(difference) // DAY_US * (1 if difference >= 0 else -1)
    return Interval(0, days, difference - days * DAY_US)


def days_between(left: Moment, right: Moment) -> int:
    """``left - right`` of two dates."""
    if isinstance(left, float) or isinstance(right, float):
        raise EvaluationError("infinite dates have no distance")
    return left - right
