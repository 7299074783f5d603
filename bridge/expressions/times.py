"""Dates and timestamps on the server's calendar, which has BC, years beyond 9999 and infinity.

A date is the number of days since 1970-01-01, a timestamp the number of microseconds since then,
in UTC; infinity is the ``float``. Python compares both exactly.
"""

from __future__ import annotations

import math
import re
from datetime import UTC
from datetime import date as Date
from datetime import datetime as DateTime
from typing import Final, TypeAlias

from bridge.expressions.errors import EvaluationError

Moment: TypeAlias = "int | float"

DAY_US: Final = 86_400_000_000
_EPOCH: Final = DateTime(1970, 1, 1)
_EPOCH_UTC: Final = DateTime(1970, 1, 1, tzinfo=UTC)
_EPOCH_ORDINAL: Final = _EPOCH.toordinal()
_CYCLE_DAYS: Final = 146_097
_CYCLE_YEARS: Final = 400
_INFINITIES: Final = {"infinity": math.inf, "+infinity": math.inf, "-infinity": -math.inf}

_FORM: Final = re.compile(
    r"(?P<year>[0-9]{4,7})-(?P<month>[0-9]{1,2})-(?P<day>[0-9]{1,2})"
    r"(?:[ T]+(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})"
    r"(?::(?P<second>[0-9]{2})(?:\.(?P<fraction>[0-9]{0,9}))?)?"
    r"\ *(?P<zone>Z|UTC|GMT|[+-][0-9]{1,2}(?::?[0-9]{2}(?::[0-9]{2})?)?)?)?"
    r"(?P<era>\ +(?:BC|AD))?",
    re.ASCII | re.IGNORECASE,
)

MIN_TIMESTAMP: Final = -210_866_803_200_000_000
"""4713-11-24 BC; the largest is 294276-12-31, below ``END_TIMESTAMP``."""
END_TIMESTAMP: Final = 9_224_318_016_000_000_000
_MIN_DATE: Final = -2_440_588
_END_DATE: Final = 2_147_483_647 - 2_440_588 + 1


def load_date(text: str) -> Moment:
    """Read a date that the server printed."""
    if len(text) == 10 and text[4] == "-":
        return Date.fromisoformat(text).toordinal() - _EPOCH_ORDINAL
    return parse_date(text)


def load_timestamp(text: str) -> Moment:
    """Read a timestamp that the server printed."""
    if text[4:5] == "-" and text[-1] != "C":
        since = DateTime.fromisoformat(text) - _EPOCH
        return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    return parse_timestamp(text)


def load_timestamptz(text: str) -> Moment:
    """Read a timestamp with time zone that the server printed in UTC."""
    if text[4:5] == "-" and text[-3:] == "+00":
        since = DateTime.fromisoformat(text) - _EPOCH_UTC
        return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    return parse_timestamptz(text)


def parse_date(text: str) -> Moment:
    """Read a date in ISO form; a time after it is dropped.

    Raises:
        ValueError: the text has another form, or there is no such day.
    """
    text = text.strip()
    special = _special(text)
    if special is not None:
        return special // DAY_US if special == 0 else special
    days, _, _ = _parts(text)
    if not _MIN_DATE <= days < _END_DATE:
        raise ValueError("date out of range")
    return days


def parse_timestamp(text: str) -> Moment:
    """Read a timestamp in ISO form; a time zone in it is dropped.

    Raises:
        ValueError: the text has another form, or there is no such time.
    """
    return _parse(text, zone_counts=False)


def parse_timestamptz(text: str) -> Moment:
    """Read a timestamp in ISO form; without a time zone it is in UTC.

    Raises:
        ValueError: the text has another form, or there is no such time.
    """
    return _parse(text, zone_counts=True)


def parse_time(text: str) -> int:
    """Read a time of day, in microseconds.

    Raises:
        ValueError: the text has another form, or there is no such time.
    """
    _, us, _ = _parts(f"2000-01-01 {text.strip()}")
    return us


def _special(text: str) -> Moment | None:
    return 0 if text.lower() == "epoch" else _INFINITIES.get(text.lower())


def _parse(text: str, *, zone_counts: bool) -> Moment:
    text = text.strip()
    special = _special(text)
    if special is not None:
        return special
    days, us, zone_us = _parts(text)
    return checked_timestamp(days * DAY_US + us - (zone_us if zone_counts else 0))


def checked_timestamp(us: int) -> int:
    """Check the range of a timestamp.

    Raises:
        ValueError: it is out of range.
    """
    if MIN_TIMESTAMP <= us < END_TIMESTAMP:
        return us
    raise ValueError("timestamp out of range")


def _parts(text: str) -> tuple[int, int, int]:
    """Return the day, the microsecond in it, and the offset of the zone in microseconds."""
    found = _FORM.fullmatch(text)
    if found is None:
        raise ValueError("not in the form 2024-02-29 12:34:56+00")
    year = int(found["year"])
    if year == 0:
        raise ValueError("there is no year 0")
    if (found["era"] or "").strip().upper() == "BC":
        year = 1 - year
    days = days_of(year, int(found["month"]), int(found["day"]))
    hour, minute, second = (int(found[part] or 0) for part in ("hour", "minute", "second"))
    fraction = found["fraction"] or ""
    us = round(int(fraction.ljust(9, "0")) / 1000) if fraction else 0
    if hour > 24 or minute > 59 or second > 60:
        raise ValueError("there is no such time")
    us += ((hour * 60 + minute) * 60 + second) * 1_000_000
    if us > DAY_US:
        raise ValueError("there is no such time")
    return days, us, _zone_us(found["zone"] or "Z")


def _zone_us(zone: str) -> int:
    if zone[0] not in "+-":
        return 0
    digits = zone[1:].replace(":", "")
    if len(digits) % 2:
        digits = "0" + digits
    hours, minutes, seconds = (int(digits[i : i + 2] or 0) for i in (0, 2, 4))
    if hours > 15 or minutes > 59 or seconds > 59:
        raise ValueError("time zone out of range")
    us = ((hours * 60 + minutes) * 60 + seconds) * 1_000_000
    return -us if zone[0] == "-" else us


def days_of(year: int, month: int, day: int) -> int:
    """Return the day of a date in the proleptic Gregorian calendar; 1 BC is the year 0.

    Raises:
        ValueError: there is no such day.
    """
    # The calendar repeats itself every 400 years.
    cycles, rest = divmod(year - 1, _CYCLE_YEARS)
    return Date(rest + 1, month, day).toordinal() + cycles * _CYCLE_DAYS - _EPOCH_ORDINAL


def day_parts(days: int) -> tuple[int, int, int]:
    """Return year, month and day; 1 BC is the year 0."""
    cycles, rest = divmod(days + _EPOCH_ORDINAL - 1, _CYCLE_DAYS)
    day = Date.fromordinal(rest + 1)
    return day.year + cycles * _CYCLE_YEARS, day.month, day.day


def date_text(days: Moment) -> str:
    """Print a date as the server does."""
    if isinstance(days, float):
        return _infinity_text(days)
    day, era = _day_text(days)
    return day + era


def timestamp_text(us: Moment, zone: str = "") -> str:
    """Print a timestamp as the server does."""
    if isinstance(us, float):
        return _infinity_text(us)
    days, rest = divmod(us, DAY_US)
    day, era = _day_text(days)
    return f"{day} {clock_text(rest)}{zone}{era}"


def timestamptz_text(us: Moment) -> str:
    """Print a timestamp with time zone as the server does in UTC."""
    return timestamp_text(us, "+00")


def _infinity_text(value: float) -> str:
    return "infinity" if value > 0 else "-infinity"


def _day_text(days: int) -> tuple[str, str]:
    year, month, day = day_parts(days)
    era = " BC" if year <= 0 else ""
    return f"{1 - year if era else year:04d}-{month:02d}-{day:02d}", era


def clock_text(us: int) -> str:
    """Print so many microseconds as ``HH:MM:SS``, with as many decimals as it takes."""
    seconds, us = divmod(us, 1_000_000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    fraction = f".{us:06d}".rstrip("0") if us else ""
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}{fraction}"


def date_to_timestamp(days: Moment) -> Moment:
    """Return the start of the day."""
    return days if isinstance(days, float) else checked_timestamp(days * DAY_US)


def timestamp_to_date(us: Moment) -> Moment:
    """Return the day, in UTC."""
    return us if isinstance(us, float) else us // DAY_US


def date_add(days: Moment, count: int) -> Moment:
    """Add days to a date."""
    return days if isinstance(days, float) else _checked_date(days + count)


def date_subtract(days: Moment, count: int) -> Moment:
    """Take days from a date."""
    return date_add(days, -count)


def _checked_date(days: int) -> int:
    if _MIN_DATE <= days < _END_DATE:
        return days
    raise EvaluationError("date out of range")
