"""Lengths of time as the configuration writes them: ``10s``, ``1.5h``."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, Final

UNITS: Final = {
    "us": 1,
    "ms": 1_000,
    "s": 1_000_000,
    "m": 60_000_000,
    "h": 3_600_000_000,
    "d": 86_400_000_000,
}
"""Unit to microseconds."""

_NUMBER: Final = r"[0-9]{1,9}(\.[0-9]{1,6})?(us|ms|s|m|h|d)"
_FORM: Final = "a length of time such as 500ms, 10s, 5m, 1h or 1d"

DURATION: Final[dict[str, Any]] = {"pattern": f"^{_NUMBER}$", "form": _FORM}
"""Metadata of a field that holds a length of time."""

SHIFT: Final[dict[str, Any]] = {"pattern": f"^-?{_NUMBER}$", "form": f"{_FORM}, or -1h"}
"""The same, if it may be negative."""


def duration_us(text: str) -> int:
    """Return a length of time in microseconds.

    Args:
        text: of the form that ``DURATION`` or ``SHIFT`` describes.

    Raises:
        ValueError: it is of another form.
    """
    if re.fullmatch(f"-?{_NUMBER}", text) is None:
        raise ValueError(f"not {_FORM}")
    number = text.rstrip("".join(UNITS))
    return int(Decimal(number) * UNITS[text.removeprefix(number)])
