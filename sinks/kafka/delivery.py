"""What has become of messages: runs of them, each settled when the brokers have confirmed all."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from confluent_kafka import KafkaError, Message

from bridge.core.events import Position
from sinks.kafka.errors import PURGED, REFUSED


class Run:
    """Messages of neighbouring events. It is itself the callback for the report on each of them.

    Args:
        last: position of its last event.
        failed: where it adds itself when a message fails.

    Attributes:
        pending: messages without a report.
        last: position of its last event.
        error: of a message that failed; rather one that says that the message is refused.
    """

    __slots__ = ("_failed", "error", "last", "pending")

    def __init__(self, last: Position, failed: list[Run]) -> None:
        self._failed = failed
        self.pending = 0
        self.last = last
        self.error: KafkaError | None = None

    def __call__(self, error: KafkaError | None, message: Message) -> None:
        self.pending -= 1
        if error is not None:
            if self.error is None:
                self._failed.append(self)
            if not self.refused:
                self.error = error

    @property
    def refused(self) -> bool:
        """Whether one of its messages can never be accepted."""
        return self.error is not None and self.error.code() in REFUSED

    @property
    def purged(self) -> bool:
        """Whether its messages were dropped because of something else that failed."""
        return self.error is not None and self.error.code() in PURGED


class Runs:
    """The runs of a session in the order of the stream.

    Attributes:
        durable: last position up to which everything is confirmed; None if nothing is.
    """

    def __init__(self) -> None:
        self._open: deque[Run] = deque()
        self._failed: list[Run] = []
        self.durable: Position | None = None

    def __len__(self) -> int:
        return len(self._open)

    def begin(self, last: Position) -> Run:
        """Add a run that ends with the event at ``last``."""
        run = Run(last, self._failed)
        self._open.append(run)
        return run

    @property
    def last(self) -> Position | None:
        """Where the last run ends; None if all are settled."""
        return self._open[-1].last if self._open else None

    def settle(self) -> None:
        """Move ``durable`` over all runs at the front that are confirmed."""
        runs = self._open
        while runs and runs[0].pending == 0 and runs[0].error is None:
            self.durable = runs.popleft().last

    def failed(self) -> Run | None:
        """Return a run that failed, if there is one: rather one that holds a refused message."""
        failed = self._failed
        return next((run for run in failed if run.refused), failed[0]) if failed else None


@dataclass(slots=True)
class Care:
    """What is remembered of refused messages from one session to the next.

    Brokers answer for a whole batch of messages. After one was refused, everything that was under
    way is repeated one by one, which finds the culprit; then its event is left out.

    Attributes:
        until: position up to which messages are sent one by one; None for no such care.
        refused: reason by position, of events that the brokers do not take.
        batch_bytes: how large a batch may be; it is halved where single messages are not too
            large, but their batches are.
    """

    until: Position | None = None
    refused: dict[Position, str] = field(default_factory=dict)
    batch_bytes: int = 1_000_000
    _found: bool = False

    def begin(self, until: Position) -> None:
        """Send one by one, up to ``until``."""
        if self.until is None or until > self.until:
            self.until = until
            self._found = False

    def blame(self, position: Position, reason: str) -> None:
        """Remember that the event at ``position`` is refused."""
        self.refused[position] = reason
        self._found = True

    def passed(self, durable: Position | None) -> None:
        """Take note of progress: once the end is reached, the care is over."""
        if self.until is None or durable is None or durable < self.until:
            return
        if not self._found:
            self.batch_bytes = max(self.batch_bytes // 2, 1_000)
        self.until = None
        self.refused = {p: reason for p, reason in self.refused.items() if p > durable}
