"""How much WAL the slot makes the server keep, held against what was granted."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Literal


class Verdict(Enum):
    """What follows from a look at the slot."""

    FINE = auto()
    WARN = auto()
    STOP = auto()
    DROP_SLOT = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class WalBudget:
    """The budget.

    Attributes:
        warn_bytes: retained WAL from which on to warn.
        max_bytes: the budget; None for none.
        on_exceeded: what follows beyond it.
    """

    warn_bytes: int
    max_bytes: int | None = None
    on_exceeded: Literal["warn", "stop", "drop_slot"] = "warn"

    def judge(
        self, *, retained_bytes: int | None, wal_status: str | None, safe_wal_size: int | None
    ) -> Verdict:
        """Return what follows.

        Args:
            retained_bytes: of WAL that the slot holds back.
            wal_status: of the slot: ``reserved``, ``extended``, ``unreserved`` or ``lost``.
            safe_wal_size: bytes that may still be written before the slot is in danger; None
                where ``max_slot_wal_keep_size`` sets no limit.
        """
        retained = retained_bytes or 0
        if self.max_bytes is not None and retained > self.max_bytes:
            match self.on_exceeded:
                case "stop":
                    return Verdict.STOP
                case "drop_slot":
                    return Verdict.DROP_SLOT
                case "warn":
                    return Verdict.WARN
        if wal_status in ("unreserved", "lost"):
            return Verdict.WARN
        if safe_wal_size is not None and safe_wal_size < retained:
            return Verdict.WARN  # more than half of what max_slot_wal_keep_size grants is used
        return Verdict.WARN if retained > self.warn_bytes else Verdict.FINE
