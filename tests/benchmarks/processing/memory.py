"""How much memory this process takes (``man 5 proc``)."""

from __future__ import annotations

import gc
from pathlib import Path

_SELF = Path("/proc/self")
_FORGET_THE_PEAK = "5"


def resident_mb() -> float:
    """Return the resident size now, without what is only garbage."""
    gc.collect()
    return _field("VmRSS")


def forget_peak() -> None:
    """Let the peak begin anew."""
    (_SELF / "clear_refs").write_text(_FORGET_THE_PEAK)


def peak_mb() -> float:
    """Return the largest resident size since the start, or since :func:`forget_peak`."""
    return _field("VmHWM")


def _field(name: str) -> float:
    for line in (_SELF / "status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    raise LookupError(name)
