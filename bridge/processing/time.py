"""Lengths of time: whole microseconds, as all times of this library."""

from __future__ import annotations

from datetime import timedelta
from typing import Final, TypeAlias

from bridge.core.errors import ConfigError

Duration: TypeAlias = int | timedelta
"""Microseconds, or a timedelta."""

DAY: Final = 86_400_000_000

_MICROSECOND: Final = timedelta(microseconds=1)


def microseconds(
    duration: Duration, setting: str = "duration", *, minimum: int | None = None
) -> int:
    """Return a length of time in microseconds.

    Args:
        duration: what was set.
        setting: its name, for the message.
        minimum: the least that makes sense, in microseconds: 1 for a size, 0 for a tolerance;
            None if it may be negative.

    Raises:
        ConfigError: it is no length of time, or less than ``minimum``.
    """
    if isinstance(duration, timedelta):
        length = duration // _MICROSECOND
    elif isinstance(duration, int) and not isinstance(duration, bool):
        length = duration
    else:
        raise ConfigError(
            f"{setting} is no length of time, but a {type(duration).__name__}.",
            remedy="Give whole microseconds or a datetime.timedelta.",
        )
    if minimum is not None and length < minimum:
        least = "longer than 0" if minimum == 1 else f"{minimum} microseconds or more"
        raise ConfigError(f"{setting} is {duration!s}.", remedy=f"It has to be {least}.")
    return length
