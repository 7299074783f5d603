"""From open to close: one producer, what is under way in it, and how it is confirmed."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic

from confluent_kafka import KafkaError, KafkaException

from bridge.core.errors import Transient
from bridge.core.events import CdcEvent, EventBatch, Position
from sinks.base import Progress, Rejection
from sinks.formats import Format, encode_batch
from sinks.kafka.client import Connection
from sinks.kafka.config import KafkaConfig
from sinks.kafka.delivery import Care, Run, Runs
from sinks.kafka.errors import problem
from sinks.kafka.messages import Body, Headers, Message, MessageMaker, Refused
from sinks.kafka.topics import Topics

RUN_EVENTS = 500
"""Events that are settled together: few callbacks to look at, and progress still in small steps."""

_SILENCE_S = 300.0
"""Without a word for so long, it is worth while to begin anew. No single message is ever given up:
those behind it could arrive in its place."""

_ASK_S = 5.0
_LAST_WORDS_S = 0.5
_WAIT_S = 0.05
_POLL_S = 0.002


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a session is made of.

    Attributes:
        config: of the sink.
        fmt: of the messages' bodies; None where they are no text.
        messages: makes messages of events.
        connection: this session's own.
        topics: seen through it.
        care: outlives sessions.
    """

    config: KafkaConfig
    fmt: Format | None
    messages: MessageMaker
    connection: Connection
    topics: Topics
    care: Care


class Session:
    """At least once: a position is durable when everything up to it is confirmed by the brokers."""

    def __init__(self, parts: Parts) -> None:
        self._config = parts.config
        self._format = parts.fmt
        self._messages = parts.messages
        self._connection = parts.connection
        self._producer = parts.connection.producer
        self._topics = parts.topics
        self._care = parts.care
        self._runs = Runs()
        self._rejections: list[Rejection] = []
        self._heard = self._asked = monotonic()

    def write(self, batch: EventBatch) -> None:
        """Hand the batch to the producer; waits while that is full."""
        events, bodies = batch.events, self._bodies(batch)
        at = 0
        while at < len(events):
            at += self._send(events, bodies, at)
            self._look(0)

    def poll(self) -> Progress:
        """Serve reports, and tell what is durable."""
        self._look(_POLL_S if self._runs else 0)
        return self._progress()

    def flush(self, timeout: float) -> Progress:
        """Wait until everything is confirmed, at most ``timeout`` seconds."""
        deadline = monotonic() + timeout
        self._look(0)
        while self._runs and (left := deadline - monotonic()) > 0:
            self._connection.push(min(left, _WAIT_S))
            self._look(0)
        return self._progress()

    def close(self) -> None:
        """Give up what is under way, and disconnect."""
        self._connection.close()

    # Sending

    def _bodies(self, batch: EventBatch) -> list[str]:
        """Return the text of each event; empty ones where messages have another form."""
        fmt = self._format
        return [""] * len(batch) if fmt is None else encode_batch(batch, fmt)

    def _send(self, events: Sequence[CdcEvent], bodies: Sequence[str], at: int) -> int:
        """Produce the messages of the next events as one run; return how many were dealt with."""
        end = min(at + (RUN_EVENTS if self._care.until is None else 1), len(events))
        run = self._runs.begin(events[end - 1].position)
        produce, known, messages = self._producer.produce, self._topics.known, self._messages
        refused = self._care.refused
        for i in range(at, end):
            event, body = events[i], bodies[i]
            try:
                if refused and event.position in refused:
                    raise Refused(refused[event.position])
                for name, key, value, headers in messages(event, body):
                    topic = known.get(name) or self._topics.admit(name)
                    run.pending += 1
                    try:
                        produce(topic, value, key, on_delivery=run, headers=headers)
                    except BufferError:
                        self._wait_and_produce(run, topic, value, key, headers)
            except (Refused, KafkaException) as error:
                if isinstance(error, KafkaException):
                    run.pending -= 1
                    reason = self._why_not_queued(event, body, error.args[0])
                else:
                    reason = str(error)
                if not self._refuse(event.position, reason):
                    run.last = event.position
                    end = i + 1
                    break
        if self._care.until is not None:
            self._send_alone(run)
        return end - at

    def _wait_and_produce(
        self, run: Run, topic: str, value: Body, key: Body, headers: Headers
    ) -> None:
        """Produce once there is room in the producer's queue."""
        while True:
            self._look(_WAIT_S)
            with suppress(BufferError):
                self._producer.produce(topic, value, key, on_delivery=run, headers=headers)
                return

    def _send_alone(self, run: Run) -> None:
        """Wait until one event is confirmed, or blame it."""
        while run.pending and self._connection.fatal is None:
            self._connection.push(_WAIT_S)
        self._hear_out()
        if run.refused and run.error is not None:
            self._care.blame(run.last, f"The brokers do not take it: {_said(run.error)}.")

    def _why_not_queued(self, event: CdcEvent, body: str, error: KafkaError) -> str:
        """Return why an event is refused before it is sent; raise if the reason is another."""
        if error.code() != KafkaError.MSG_SIZE_TOO_LARGE:
            self._look(0)  # which knows more, if the producer has failed
            raise problem(f"The event at {event.position} could not be queued", error)
        size = max(_size(message) for message in self._messages(event, body))
        limit = self._config.max_message_bytes
        return f"A message of {size} bytes is larger than max_message_bytes, {limit}."

    def _refuse(self, position: Position, reason: str) -> bool:
        """Note that an event is refused; return whether to go on behind it."""
        self._rejections.append(Rejection(position, reason))
        return True

    # Reports

    def _look(self, timeout: float) -> None:
        """Serve reports, waiting at most ``timeout`` seconds for the first of them."""
        if self._connection.serve(timeout) or not self._runs:
            self._heard = monotonic()
        self._runs.settle()
        self._care.passed(self._durable)
        self._raise_failure()

    def _raise_failure(self) -> None:
        """Raise if something failed; everything that is not durable is to be repeated."""
        self._hear_out()
        failed = self._runs.failed()
        if failed is not None and failed.refused and failed.error is not None:
            if self._care.until is None and self._runs.last is not None:
                self._care.begin(self._runs.last)
            raise Transient(
                f"The brokers refused a message: {_said(failed.error)}.",
                remedy="What is under way is repeated one by one, to find it.",
            )
        # Before the messages, which fail because of it.
        if self._connection.fatal is not None:
            raise problem("The producer has to be given up", self._connection.fatal)
        if failed is not None and failed.error is not None:
            raise problem("A message was not delivered", failed.error)
        self._bear_silence()

    def _bear_silence(self) -> None:
        """Look what is wrong where no report comes for long; begin anew where it takes too long."""
        now = monotonic()
        if now - self._heard > _SILENCE_S:
            raise Transient(f"No message has been confirmed for {_SILENCE_S:.0f} seconds.")
        if now - max(self._heard, self._asked) > _ASK_S:
            self._topics.check()
            self._asked = monotonic()

    def _hear_out(self) -> None:
        """Where something failed as a consequence, wait a moment for the report on its cause."""
        deadline = monotonic() + _LAST_WORDS_S
        while monotonic() < deadline:
            failed = self._runs.failed()
            if not self._runs or (failed is not None and failed.refused):
                return
            if self._connection.fatal is None and not (failed is not None and failed.purged):
                return
            self._connection.serve(_WAIT_S)

    def _progress(self) -> Progress:
        rejections, self._rejections = tuple(self._rejections), []
        return Progress(self._durable, rejections)

    @property
    def _durable(self) -> Position | None:
        return self._runs.durable


def _said(error: KafkaError) -> str:
    return f"{error.str()} ({error.name()})"


def _size(message: Message) -> int:
    _, key, value, headers = message
    texts = [key, value, *(text for header in headers or () for text in header)]
    return sum(len(text.encode() if isinstance(text, str) else text) for text in texts if text)
