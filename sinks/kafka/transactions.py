"""Exactly once: events and the position of the sink in the same transaction of Kafka.

A reader with ``isolation.level=read_committed`` sees a transaction whole or not at all. What the
position says is therefore exactly what such readers have: the next session begins behind it.

A zombie, an older process with the same ``transactional.id``, is fenced by ``open``: nothing it
has begun is ever committed.
"""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from time import monotonic

from confluent_kafka import KafkaException

from bridge.core.events import EventBatch, Position
from sinks.base import Feed, Progress
from sinks.kafka.errors import problem
from sinks.kafka.positions import PARTITION, position_body, position_key
from sinks.kafka.session import Parts, Session

_COMMIT_TIMEOUT_S = 30.0
_ABORT_TIMEOUT_S = 1.0
_WAIT_S = 0.05


def transactional_id(feed: Feed) -> str:
    """Return a name that no other sink has."""
    source = feed.source
    return f"pgbridge-{source.system_identifier}-{source.database}-{feed.slot}-{feed.name}"


class TransactionalSession(Session):
    """Commits what was written since the last commit, and where it ends.

    A refused event divides transactions: what stands before it is committed, then it is reported,
    and only when the worker has put it aside is anything behind it sent. So the stored position
    never passes an event that might be neither here nor among the dead letters.

    Args:
        parts: with the producer initialised for transactions.
        feed: whose position is kept.
        stored: the position that the topic holds; None for none. It never goes back: what is
            written below it, as a replay of dead letters, is committed without a position.
    """

    def __init__(self, parts: Parts, feed: Feed, stored: Position | None) -> None:
        super().__init__(parts)
        self._key = position_key(feed)
        self._positions_topic = parts.config.positions_topic
        self._interval_s = parts.config.commit_interval_ms / 1000
        self._stored = stored
        self._waiting: deque[tuple[EventBatch, int]] = deque()
        self._began: float | None = None
        self._sent: Position | None = None
        self._committed: Position | None = None
        self._refused_at: Position | None = None

    def write(self, batch: EventBatch) -> None:
        if batch.events:
            self._waiting.append((batch, 0))
        self._advance()

    def poll(self) -> Progress:
        self._advance()
        self._look(0)
        if self._due():
            self._commit()
        elif self._began is not None:
            self._look(self._interval_s / 10)
        return self._report()

    def flush(self, timeout: float) -> Progress:
        """Commit everything; returns early where a refused event has to be reported first."""
        self._advance()
        self._commit()
        return self._report()

    def close(self) -> None:
        if self._began is not None:
            # Readers wait for the end of a transaction that is left open.
            with suppress(KafkaException):
                self._producer.abort_transaction(_ABORT_TIMEOUT_S)
        super().close()

    @property
    def _durable(self) -> Position | None:
        return self._committed

    def _advance(self) -> None:
        """Send what waits, up to the next event that is refused."""
        while self._waiting and self._refused_at is None:
            batch, at = self._waiting.popleft()
            events, bodies = batch.events, self._bodies(batch)
            while at < len(events) and self._refused_at is None:
                if self._began is None:
                    self._begin()
                at += self._send(events, bodies, at)
                sent = at - 1 if self._refused_at is None else at - 2
                if sent >= 0:
                    self._sent = events[sent].position
                self._look(0)
                if self._due():
                    self._commit()
            if at < len(events):
                self._waiting.appendleft((batch, at))

    def _refuse(self, position: Position, reason: str) -> bool:
        super()._refuse(position, reason)
        if self._stored is not None and position <= self._stored:
            return True
        self._refused_at = position
        return False

    def _report(self) -> Progress:
        """Tell what is committed and refused; after this call, what is refused is put aside."""
        if self._refused_at is not None and self._began is None:
            self._committed, self._refused_at = self._refused_at, None
        return self._progress()

    # Transactions

    def _begin(self) -> None:
        try:
            self._producer.begin_transaction()
        except KafkaException as error:
            raise problem("A transaction could not begin", error.args[0]) from None
        self._began = monotonic()

    def _due(self) -> bool:
        if self._began is None:
            return False
        return self._refused_at is not None or monotonic() - self._began >= self._interval_s

    def _commit(self) -> None:
        """Commit the open transaction, if there is one, with the position it ends at."""
        if self._began is None:
            return
        position = self._sent
        moves = position is not None and (self._stored is None or position > self._stored)
        try:
            if position is not None and moves:
                self._produce_position(position)
            # A commit would wait for messages that cannot follow a refused one; here it is seen.
            while self._runs:
                self._connection.push(_WAIT_S)
                self._look(0)
            self._producer.commit_transaction(_COMMIT_TIMEOUT_S)
        except KafkaException as error:
            raise problem("A transaction could not be committed", error.args[0]) from None
        self._began = None
        self._committed = position
        if moves:
            self._stored = position
        self._look(0)

    def _produce_position(self, position: Position) -> None:
        run = self._runs.begin(position)
        run.pending += 1
        body = position_body(position)
        while True:
            try:
                self._producer.produce(
                    self._positions_topic, body, self._key, partition=PARTITION, on_delivery=run
                )
            except BufferError:
                self._look(_WAIT_S)
            else:
                return
