"""What a receiver's answer means."""

from __future__ import annotations

from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import Enum, auto

_ASKS_TO_TRY_AGAIN = frozenset({408, 425, 429})
_ABOUT_THE_ACCOUNT = frozenset({401, 403, 407})
_ABOUT_THE_CONTENT = frozenset({400, 409, 413, 422})


class Verdict(Enum):
    """What follows from a status code."""

    DONE = auto()
    """The receiver has it."""
    RETRY = auto()
    """The receiver cannot take it now."""
    REFUSED = auto()
    """The receiver will never take it."""
    STOP = auto()
    """Nothing can be delivered until an operator has changed something."""


def judge(status: int) -> Verdict:
    """Return what follows from the status code of an answer."""
    if 200 <= status < 300:
        return Verdict.DONE
    if status in _ASKS_TO_TRY_AGAIN or status >= 500:
        return Verdict.RETRY
    if status in _ABOUT_THE_ACCOUNT or status < 400:
        return Verdict.STOP
    return Verdict.REFUSED


def may_be_one_of_many(status: int) -> bool:
    """Whether a refused batch may be refused for one of its events."""
    return status in _ABOUT_THE_CONTENT


def retry_after(value: str | None, date: str | None, now: float) -> float | None:
    """Return for how many seconds a receiver asks to be left alone; None if it does not say.

    Args:
        value: the header ``Retry-After``: seconds, or a date (RFC 9110 section 10.2.3).
        date: the header ``Date``, by which a date is read, as the receiver's clock may be wrong.
        now: seconds since 1970, where there is no such header.
    """
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    moment = _seconds(value)
    if moment is None:
        return None
    here = _seconds(date)
    return max(0.0, moment - (now if here is None else here))


def _seconds(date: str | None) -> float | None:
    if date is None:
        return None
    try:
        moment = parsedate_to_datetime(date)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
