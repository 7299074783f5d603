"""Dates, times and intervals, under DateStyle ISO, TimeZone UTC and IntervalStyle postgres.

Times are int64 microseconds, dates int32 days, both from 2000-01-01
(https://www.postgresql.org/docs/current/datatype-datetime.html). The server's calendar is wider
than Python's: it has BC and years beyond 9999.
"""

from __future__ import annotations

from datetime import date as Date
from datetime import datetime as DateTime
from datetime import timedelta
from struct import Struct
from struct import error as StructError

from decoders.binary.converter import bad_value, wrong_size

_INT32 = Struct(">i")
_INT64 = Struct(">q")
_TIME_WITH_ZONE = Struct(">qi")
_INTERVAL = Struct(">qii")

_INT32_MIN, _INT32_MAX = -(2**31), 2**31 - 1
_INT64_MIN, _INT64_MAX = -(2**63), 2**63 - 1

_EPOCH = DateTime(2000, 1, 1)
_EPOCH_ORDINAL = _EPOCH.toordinal()
_CYCLE_DAYS = 146_097
_CYCLE_YEARS = 400
_DAY_US = 86_400_000_000
_MAX_ZONE_S = 16 * 3600


def date(data: bytes) -> str:
    """Type ``date``."""
    try:
        days: int = _INT32.unpack(data)[0]
    except StructError:
        raise wrong_size("date", data, 4) from None
    if days == _INT32_MAX:
        return "infinity"
    if days == _INT32_MIN:
        return "-infinity"
    day, era = _day(days)
    return day + era


def timestamp(data: bytes) -> str:
    """Type ``timestamp``."""
    return _timestamp(data, "timestamp", "")


def timestamptz(data: bytes) -> str:
    """Type ``timestamptz``, in UTC."""
    return _timestamp(data, "timestamptz", "+00")


def time(data: bytes) -> str:
    """Type ``time``."""
    try:
        us: int = _INT64.unpack(data)[0]
    except StructError:
        raise wrong_size("time", data, 8) from None
    return _time_of_day(us, "time")


def timetz(data: bytes) -> str:
    """Type ``timetz``: int64 microseconds, int32 seconds west of Greenwich."""
    try:
        us, west_s = _TIME_WITH_ZONE.unpack(data)
    except StructError:
        raise wrong_size("timetz", data, _TIME_WITH_ZONE.size) from None
    if not -_MAX_ZONE_S < west_s < _MAX_ZONE_S:
        raise bad_value("timetz", "the time zone is out of range", 8)
    sign = "+" if west_s <= 0 else "-"
    minutes, seconds = divmod(abs(west_s), 60)
    hours, minutes = divmod(minutes, 60)
    zone = f"{sign}{hours:02d}"
    if minutes or seconds:
        zone += f":{minutes:02d}"
    if seconds:
        zone += f":{seconds:02d}"
    return _time_of_day(us, "timetz") + zone


def interval(data: bytes) -> str:
    """Type ``interval``: int64 microseconds, int32 days, int32 months.

    The outermost values mean infinity, as they do on servers from 17.
    """
    try:
        us, days, months = _INTERVAL.unpack(data)
    except StructError:
        raise wrong_size("interval", data, _INTERVAL.size) from None
    if (us, days, months) == (_INT64_MAX, _INT32_MAX, _INT32_MAX):
        return "infinity"
    if (us, days, months) == (_INT64_MIN, _INT32_MIN, _INT32_MIN):
        return "-infinity"
    years, months = _toward_zero(months, 12)
    parts = []
    after_negative = False
    for count, unit in ((years, "year"), (months, "mon"), (days, "day")):
        if count:
            # A part says that it is positive only if the part before it is not.
            plus = "+" if after_negative and count > 0 else ""
            parts.append(f"{plus}{count} {unit}{'' if count == 1 else 's'}")
            after_negative = count < 0
    if us or not parts:
        sign = "-" if us < 0 else "+" if after_negative else ""
        parts.append(sign + _clock(abs(us)))
    return " ".join(parts)


def _timestamp(data: bytes, type_name: str, zone: str) -> str:
    try:
        us: int = _INT64.unpack(data)[0]
    except StructError:
        raise wrong_size(type_name, data, 8) from None
    try:
        text = str(_EPOCH + timedelta(0, 0, us))
    except OverflowError:
        if us == _INT64_MAX:
            return "infinity"
        if us == _INT64_MIN:
            return "-infinity"
        days, us = divmod(us, _DAY_US)
        day, era = _day(days)
        return f"{day} {_clock(us)}{zone}{era}"
    return (text.rstrip("0") if "." in text else text) + zone


def _day(days: int) -> tuple[str, str]:
    """Return the day so many days after 2000-01-01, and `` BC`` or nothing."""
    ordinal = days + _EPOCH_ORDINAL
    try:
        return Date.fromordinal(ordinal).isoformat(), ""
    except (ValueError, OverflowError):
        # The calendar repeats itself every 400 years.
        cycles, rest = divmod(ordinal - 1, _CYCLE_DAYS)
        day = Date.fromordinal(rest + 1)
        year = day.year + cycles * _CYCLE_YEARS
        era = " BC" if year <= 0 else ""
        return f"{1 - year if era else year:04d}-{day.month:02d}-{day.day:02d}", era


def _time_of_day(us: int, type_name: str) -> str:
    if not 0 <= us <= _DAY_US:  # 24:00:00 is a time
        raise bad_value(type_name, "the time is out of range")
    return _clock(us)


def _clock(us: int) -> str:
    """Print so many microseconds as ``HH:MM:SS``, with as many decimals as it takes."""
    seconds, us = divmod(us, 1_000_000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    fraction = f".{us:06d}".rstrip("0") if us else ""
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}{fraction}"


def _toward_zero(number: int, divisor: int) -> tuple[int, int]:
    quotient, rest = divmod(abs(number), divisor)
    return (quotient, rest) if number >= 0 else (-quotient, -rest)
