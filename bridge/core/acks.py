"""Which WAL position may be confirmed to the server: the only place where that is decided.

The server forgets the WAL before the confirmed flush LSN and never sends it again, and it believes
every number it is told (https://www.postgresql.org/docs/current/protocol-replication.html). So:

* a transaction counts when every participant holds every event of it durably, and all
  transactions before it count too;
* what is confirmed is the *end* LSN of such a commit, or, with nothing open or outstanding, the
  position of a keepalive; no arithmetic, no "+1";
* it never exceeds what was received and never goes backwards.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter

from bridge.core.errors import InvariantViolated
from bridge.core.events import Commit, Position
from bridge.core.lsn import Lsn, format_lsn

_BEFORE_EVERYTHING = Position(0, -2)

_last_ordinal = attrgetter("last_ordinal")
_end_lsn = attrgetter("end_lsn")


def _position(commit: Commit) -> Position:
    """Return the position of the last event of a transaction that has one."""
    assert commit.last_ordinal is not None
    return Position(commit.commit_lsn, commit.last_ordinal)


class AckTracker:
    """Turns durable positions of the participants into the flush LSN.

    Args:
        participants: durable position of each *required* sink, processor or projector at the
            start; None for one that has not stored anything yet. Without participants a
            transaction counts as soon as it is received.
        confirmed: the confirmed flush LSN of the slot at the start.
    """

    def __init__(
        self, participants: Mapping[str, Position | None] | Iterable[str], confirmed: Lsn
    ) -> None:
        if not isinstance(participants, Mapping):
            participants = dict.fromkeys(participants)
        self._durable: dict[str, Position] = {
            name: position or _BEFORE_EVERYTHING for name, position in participants.items()
        }
        self._confirmed = confirmed
        self._received = confirmed
        self._handed = _BEFORE_EVERYTHING
        self._open = False
        # What is not confirmed yet, in the lists it came in: most are settled as a whole.
        self._commits: deque[list[Commit]] = deque()

    @property
    def confirmed(self) -> Lsn:
        """What may be confirmed to the server now."""
        return self._confirmed

    @property
    def received(self) -> Lsn:
        """The highest WAL position that the server has sent."""
        return self._received

    @property
    def handed(self) -> Position | None:
        """Position of the last event that was handed to the participants."""
        return None if self._handed is _BEFORE_EVERYTHING else self._handed

    @property
    def durable(self) -> Mapping[str, Position | None]:
        """Durable position of each participant."""
        return {
            name: None if position is _BEFORE_EVERYTHING else position
            for name, position in self._durable.items()
        }

    @property
    def outstanding(self) -> bool:
        """Whether anything is open, or handed out and not yet durable."""
        return self._open or bool(self._commits) or self._settled() < self._handed

    @property
    def holders(self) -> tuple[str, ...]:
        """The participants that hold the slot back."""
        return tuple(name for name, mark in self._durable.items() if mark < self._handed)

    def hand_out(
        self, last: Position | None, commits: Sequence[Commit], *, open_transaction: bool
    ) -> None:
        """Take note of what came from the server, before any participant can report on it.

        Args:
            last: position of the last event handed out; None if there was none.
            commits: of the transactions that ended, in order.
            open_transaction: whether a transaction has begun and not ended.
        """
        if commits:
            self._received = max(self._received, max(map(_end_lsn, commits)))
            if None not in map(_last_ordinal, commits) and _position(commits[0]) > self._handed:
                self._wait_for(commits)
            else:
                for commit in commits:
                    if commit.last_ordinal is not None and _position(commit) > self._handed:
                        self._wait_for([commit])
                    else:
                        self._wait_for_the_same(commit.end_lsn)
        if last is not None:
            self._handed = max(self._handed, last)
        self._open = open_transaction
        self._advance()

    def became_durable(self, participant: str, position: Position) -> None:
        """Take note that ``participant`` holds every event up to ``position`` durably."""
        if position > self._handed and position > self._durable[participant]:
            raise InvariantViolated(
                f"{participant} reports {position} as durable, beyond the last event it was given."
            )
        self._durable[participant] = max(self._durable[participant], position)
        self._advance()

    def keepalive(self, wal_end: Lsn) -> None:
        """Take note of a keepalive, which carries the position up to which all was sent.

        With nothing open and nothing outstanding that position is confirmed, so that an idle
        stream does not pin the WAL of other tables and databases.
        """
        self._received = max(self._received, wal_end)
        if not self.outstanding:
            self._confirm(wal_end)

    def stream_restarted(self) -> None:
        """Take note that the connection was lost: the open transaction will come again."""
        self._open = False

    def _wait_for(self, commits: Sequence[Commit]) -> None:
        """Note that each commit may be confirmed once its last event is durable."""
        self._commits.append(list(commits))
        self._handed = _position(commits[-1])

    def _wait_for_the_same(self, end_lsn: Lsn) -> None:
        """Note that ``end_lsn`` may be confirmed once all handed out so far is durable.

        Commits without events, and those that come again after a lost connection, wait for the
        same event as the one before: one note serves them all. Whoever has that event has those
        before it, so a commit that comes again takes nothing back of what they allow.
        """
        if self._commits:
            commits = self._commits[-1]
            end_lsn = max(end_lsn, commits[-1].end_lsn)
            if _position(commits[-1]) == self._handed:
                commits[-1] = Commit(*self._handed, end_lsn)
                return
        self._commits.append([Commit(*self._handed, end_lsn)])

    def _settled(self) -> Position:
        return min(self._durable.values(), default=self._handed)

    def _advance(self) -> None:
        settled = self._settled()
        while self._commits:
            commits = self._commits[0]
            if _position(commits[0]) > settled:
                return
            count = bisect_right(commits, settled, key=_position)
            self._confirm(commits[count - 1].end_lsn)
            if count < len(commits):
                del commits[:count]
                return
            self._commits.popleft()

    def _confirm(self, lsn: Lsn) -> None:
        if lsn > self._received:
            raise InvariantViolated(
                f"About to confirm {format_lsn(lsn)}, beyond {format_lsn(self._received)}, "
                "the last position that the server sent."
            )
        self._confirmed = max(self._confirmed, lsn)
