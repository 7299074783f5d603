"""When to read on, when to let the socket wait, and when to give up the connection."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto


class Pace(Enum):
    """What the reader does next."""

    READ = auto()
    PAUSE = auto()
    """Leave the socket unread for a moment; the status still goes out."""
    GIVE_UP = auto()
    """Close the connection; the slot keeps what is to come."""


@dataclass(slots=True, kw_only=True)
class Pacing:
    """Decides from how full the backlogs are, and for how long.

    A short pause costs nothing: the server waits at its socket, and reading goes on at the pace of
    the slowest sink. A sink that makes no room at all for ``spool_after_s`` seconds is stuck: from
    then on the spool takes what comes, because a server process with a full socket cannot be
    ended and can block a CHECKPOINT. With the spool full too, the same reason sets the limit
    ``max_pause_s``.
    """

    max_pause_s: float
    spool_after_s: float = 1.0
    _congested_since: float | None = None
    _full_since: float | None = None

    def next(self, *, congested: bool, full: bool, now: float) -> Pace:
        """Return what to do at ``now`` (seconds, any clock that only goes forward).

        Args:
            congested: the memory of some backlog is full.
            full: and so is its spool.
            now: see above.
        """
        if not congested:
            self._congested_since = self._full_since = None
            return Pace.READ
        if self._congested_since is None:
            self._congested_since = now
        if not full:
            self._full_since = None
            stuck = now - self._congested_since >= self.spool_after_s
            return Pace.READ if stuck else Pace.PAUSE
        if self._full_since is None:
            self._full_since = now
        return Pace.GIVE_UP if now - self._full_since > self.max_pause_s else Pace.PAUSE
