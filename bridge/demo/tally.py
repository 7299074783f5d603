"""What has been shown so far, in numbers."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from threading import Lock

from bridge.core.events import EventBatch, Operation, Position

_RATE_WINDOW_S = 5.0
_DELAYS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The numbers at one moment.

    Attributes:
        events: how many were shown, by operation.
        transactions: how many of them were shown, as far as they changed something.
        per_second: events shown in each of the last seconds, on average.
        delays_s: from commit to screen, of the last events that were not read by the snapshot.
    """

    events: dict[Operation, int]
    transactions: int
    per_second: float
    delays_s: tuple[float, ...]

    @property
    def total(self) -> int:
        """How many events were shown."""
        return sum(self.events.values())

    def delay_s(self, quantile: float) -> float | None:
        """Return a quantile of the delays; None if nothing was shown that has one."""
        ordered = sorted(self.delays_s)
        return ordered[min(len(ordered) - 1, int(quantile * len(ordered)))] if ordered else None


class Tally:
    """Counts what is shown. One thread counts, others look."""

    def __init__(self) -> None:
        self._guard = Lock()
        self._events: Counter[Operation] = Counter()
        self._transactions = 0
        self._last = Position(0, 0)
        self._delays_s: deque[float] = deque(maxlen=_DELAYS)
        self._recent: deque[tuple[float, int]] = deque()
        self._since: float | None = None

    def count(self, batch: EventBatch, *, now: float, monotonic: float) -> None:
        """Count the events of a batch.

        Args:
            batch: in order; an event that came before is counted again, its transaction is not.
            now: when it was shown, in seconds since 1970.
            monotonic: the same moment, for the rate.
        """
        with self._guard:
            for event in batch.events:
                self._events[event.operation] += 1
                if event.operation is Operation.READ:
                    continue
                if event.commit_lsn > self._last.commit_lsn:
                    self._transactions += 1
                    self._last = event.position
                self._delays_s.append(max(0.0, now - event.timestamp / 1_000_000))
            self._recent.append((monotonic, len(batch)))
            if self._since is None:
                self._since = monotonic

    def figures(self, *, monotonic: float) -> Figures:
        """Return the numbers of this moment."""
        with self._guard:
            while self._recent and self._recent[0][0] < monotonic - _RATE_WINDOW_S:
                self._recent.popleft()
            shown = sum(count for _, count in self._recent)
            elapsed_s = monotonic - (monotonic if self._since is None else self._since)
            return Figures(
                events=dict(self._events),
                transactions=self._transactions,
                per_second=shown / min(_RATE_WINDOW_S, max(1.0, elapsed_s)),
                delays_s=tuple(self._delays_s),
            )
