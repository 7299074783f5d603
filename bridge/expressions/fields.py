"""``extract`` and ``date_trunc``: the fields of dates, timestamps and intervals, in UTC.

https://www.postgresql.org/docs/current/functions-datetime.html
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from bridge.expressions.intervals import Interval
from bridge.expressions.times import DAY_US, Moment, day_parts, days_of

_SECOND_US: Final = 1_000_000
_HOUR_US: Final = 3600 * _SECOND_US
_YEAR_SECONDS: Final = 31_557_600  # 365.25 days, as the server takes them
_MONTH_SECONDS: Final = 30 * 86_400

GROWING: Final = ("epoch", "year", "decade", "century", "millennium", "isoyear", "julian")
"""Fields that are infinite for an infinite date; the others are NULL then."""
DAY_FIELDS: Final = (*GROWING[1:6], "quarter", "month", "week", "day", "dow", "isodow", "doy")
TIME_FIELDS: Final = ("hour", "minute", "second", "milliseconds", "microseconds")
SYNONYMS: Final = {
    **{f"{name}s": name for name in (*DAY_FIELDS, "hour", "minute", "second")},
    "centuries": "century",
    "millennia": "millennium",
    "millisecond": "milliseconds",
    "microsecond": "microseconds",
}


def timestamp_field(field: str, moment: Moment) -> Decimal | None:
    """``extract(field from timestamp)``."""
    if isinstance(moment, float):
        return Decimal(moment) if field in GROWING else None
    if field == "epoch":
        return _scaled(moment, 6)
    days, us = divmod(moment, DAY_US)
    return _clock_field(field, us) if field in TIME_FIELDS else _day_field(field, days)


def date_field(field: str, days: Moment) -> Decimal | None:
    """``extract(field from date)``."""
    if isinstance(days, float):
        return Decimal(days) if field in GROWING else None
    if field == "epoch":
        return Decimal(days * 86_400)
    return _day_field(field, days)


def time_field(field: str, us: int) -> Decimal:
    """``extract(field from time)``."""
    return _scaled(us, 6) if field == "epoch" else _clock_field(field, us)


def interval_field(field: str, value: Interval) -> Decimal:
    """``extract(field from interval)``."""
    years = int(value.months / 12)
    months = value.months - 12 * years
    match field:
        case "epoch":
            seconds = years * _YEAR_SECONDS + months * _MONTH_SECONDS + value.days * 86_400
            return _scaled(seconds * _SECOND_US + value.us, 6)
        case "millennium":
            return Decimal(int(years / 1000))
        case "century":
            return Decimal(int(years / 100))
        case "decade":
            return Decimal(int(years / 10))
        case "year":
            return Decimal(years)
        case "quarter":
            return Decimal(int(months / 3) + 1)
        case "month":
            return Decimal(months)
        case "day":
            return Decimal(value.days)
    if value.us < 0:
        return _clock_field(field, -value.us).copy_negate() + 0
    return _clock_field(field, value.us)


INTERVAL_FIELDS: Final = (
    *("epoch", "millennium", "century", "decade", "year", "quarter", "month", "day"),
    *TIME_FIELDS,
)


def _scaled(number: int, places: int) -> Decimal:
    return Decimal(number).scaleb(-places)


def _clock_field(field: str, us: int) -> Decimal:
    hours, rest = divmod(us, _HOUR_US)
    minutes, rest = divmod(rest, 60 * _SECOND_US)
    match field:
        case "hour":
            return Decimal(hours)
        case "minute":
            return Decimal(minutes)
        case "second":
            return _scaled(rest, 6)
        case "milliseconds":
            return _scaled(rest, 3)
        case _:
            return Decimal(rest)


def _day_field(field: str, days: int) -> Decimal:
    year, month, day = day_parts(days)
    match field:
        case "year":  # there is no year 0
            found = year if year > 0 else year - 1
        case "decade":
            found = year // 10
        case "century":
            found = _grouped(year, 100)
        case "millennium":
            found = _grouped(year, 1000)
        case "quarter":
            found = (month + 2) // 3
        case "month":
            found = month
        case "day":
            found = day
        case "dow":
            found = (days + 4) % 7
        case "isodow":
            found = (days + 3) % 7 + 1
        case "doy":
            found = days - days_of(year, 1, 1) + 1
        case "week":
            found = (days - _iso_start(days)) // 7 + 1
        case _:  # isoyear
            found = day_parts(_iso_start(days) + 3)[0]
            found = found if found > 0 else found - 1
    return Decimal(found)


def _grouped(year: int, size: int) -> int:
    """Return the century or millennium: the first begins in the year 1, and there is no 0th."""
    return (year + size - 1) // size if year > 0 else -((size - year) // size)


def _iso_start(days: int) -> int:
    """Return the Monday on which the ISO year of a day begins."""
    thursday = days - (days + 3) % 7 + 3
    fourth = days_of(day_parts(thursday)[0], 1, 4)
    return fourth - (fourth + 3) % 7


TRUNCATED: Final = (
    *("microseconds", "milliseconds", "second", "minute", "hour", "day", "week"),
    *("month", "quarter", "year", "decade", "century", "millennium"),
)
"""What ``date_trunc`` truncates to."""

_STEPS: Final = {
    "microseconds": 1,
    "milliseconds": 1000,
    "second": _SECOND_US,
    "minute": 60 * _SECOND_US,
    "hour": _HOUR_US,
    "day": DAY_US,
}


def truncated(field: str, moment: Moment) -> Moment:
    """``date_trunc(field, timestamp)``."""
    if isinstance(moment, float):
        return moment
    if field in _STEPS:
        return moment - moment % _STEPS[field]
    days = moment // DAY_US
    if field == "week":
        return (days - (days + 3) % 7) * DAY_US
    year, month, _ = day_parts(days)
    match field:
        case "month":
            start = days_of(year, month, 1)
        case "quarter":
            start = days_of(year, (month - 1) // 3 * 3 + 1, 1)
        case "year":
            start = days_of(year, 1, 1)
        case "decade":
            start = days_of(year // 10 * 10, 1, 1)
        case _:
            size = 100 if field == "century" else 1000
            start = days_of((year - 1) // size * size + 1, 1, 1)
    return start * DAY_US


def field_name(text: str) -> str:
    """Return the name of a field in its usual form."""
    name = text.lower()
    return SYNONYMS.get(name, name)
