"""The settings of a join: how the events of ``left`` and ``right`` find each other."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

from bridge.config.durations import DURATION

_OWN_SETTINGS: Final = {
    "interval": ("before", "after"),
    "as_of": ("tolerance",),
    "table": (),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinConfig:
    """How the events of ``left`` and ``right`` find each other.

    Attributes:
        type: ``interval``: events of both sides that are close in time; ``as_of``: the latest
            right event before the left one; ``table``: the row that the right table has.
        how: ``inner`` gives pairs alone; ``left`` also left events without a partner; ``right``
            and ``full`` are for intervals.
        before: for intervals, how long before the left event the right one may be.
        after: for intervals, how long after the left event the right one may be.
        tolerance: for ``as_of``, how old the right event may be; any age by default, which keeps
            the latest event of each key for ever.
    """

    type: Literal["interval", "as_of", "table"]
    how: Literal["inner", "left", "right", "full"] = "inner"
    before: str | None = field(default=None, metadata=DURATION)
    after: str | None = field(default=None, metadata=DURATION)
    tolerance: str | None = field(default=None, metadata=DURATION)

    def __post_init__(self) -> None:
        own = _OWN_SETTINGS[self.type]
        for setting in ("before", "after", "tolerance"):
            if getattr(self, setting) is not None and setting not in own:
                raise ValueError(f"{setting} does not belong to a join of the type {self.type}.")
        if self.type == "interval":
            if self.before is None and self.after is None:
                raise ValueError(
                    "an interval needs before or after: how far apart the events may be, such as "
                    "after: 10m."
                )
        elif self.how not in ("inner", "left"):
            raise ValueError(f"a join of the type {self.type} has how: inner or how: left.")
