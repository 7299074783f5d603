"""From events to messages: topic, key, body and headers."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

from bridge.core.events import CdcEvent, Operation
from sinks.formats import Format
from sinks.kafka.config import KafkaConfig
from sinks.key_change import split_key_change
from sinks.keys import KeyExpression, make_key
from sinks.message_headers import MessageHeaders
from sinks.routing import Routes

MAX_TOPIC_LENGTH = 249
_NOT_IN_TOPICS = re.compile(r"[^a-zA-Z0-9._-]")

Headers: TypeAlias = list[tuple[str, str | bytes | None]] | None


Body: TypeAlias = str | bytes | None

Message: TypeAlias = tuple[str, Body, Body, Headers]
"""Topic, key, body (None for a tombstone) and headers. A plain tuple: there are many of them."""


class Refused(Exception):
    """No message can be made of an event; the text says why, without values of the row."""


class MessageMaker(Protocol):
    """Turns an event into messages."""

    def __call__(self, event: CdcEvent, body: str) -> Sequence[Message]:
        """Return the messages of an event, in order; there may be none.

        Args:
            event: the event.
            body: the event in the format of the sink.

        Raises:
            Refused: no message can be made.
        """


def safe_topic(name: str) -> str:
    """Return a name with ``_`` for each character that no topic may have."""
    return _NOT_IN_TOPICS.sub("_", name)[:MAX_TOPIC_LENGTH]


class EventMessages:
    """One message for each event; with tombstones, more for a delete or a changed key.

    Args:
        topic: where an event goes.
        key: of the message of an event.
        fmt: encodes the parts of an event that changes a key.
        headers: whether there are any.
        tombstones: whether a delete is followed by a message without a body.
    """

    def __init__(
        self,
        topic: Callable[[CdcEvent], str],
        key: Callable[[CdcEvent], str | None],
        fmt: Format,
        *,
        headers: bool,
        tombstones: bool,
    ) -> None:
        self._topic = topic
        self._key = key
        self._format = fmt
        self._headers = MessageHeaders() if headers else None
        self._tombstones = tombstones

    def __call__(self, event: CdcEvent, body: str) -> Sequence[Message]:
        headers = None if self._headers is None else self._headers(event)
        operation = event.operation
        if not self._tombstones or operation not in (Operation.UPDATE, Operation.DELETE):
            return ((self._topic(event), self._key(event), body, headers),)
        topic, key = self._topic(event), self._key(event)
        if operation is Operation.DELETE:
            return ((topic, key, body, headers), (topic, key, None, headers))
        parts = split_key_change(event)
        if parts is None:
            return ((topic, key, body, headers),)
        return self._changed_key(*parts, headers)

    def _changed_key(
        self, before: CdcEvent, after: CdcEvent, headers: Headers
    ) -> Sequence[Message]:
        old_key, new_key = self._key(before), self._key(after)
        to_old = to_new = headers
        if headers is not None:
            to_old = [*headers, ("__debezium.newkey", new_key)]
            to_new = [*headers, ("__debezium.oldkey", old_key)]
        topic = self._topic(before)
        return (
            (topic, old_key, self._format.encode(before), to_old),
            (topic, old_key, None, headers),
            (self._topic(after), new_key, self._format.encode(after), to_new),
        )


def event_messages(config: KafkaConfig, fmt: Format, slot: str) -> MessageMaker:
    """Return the maker that a sink was configured with."""
    tombstones = config.format == "debezium" if config.tombstones is None else config.tombstones
    make = EventMessages(
        Routes(config.topic, config.routes, slot=slot).target,
        make_key(config.key, fmt),
        fmt,
        headers=config.headers,
        tombstones=tombstones,
    )
    computed = bool(config.routes) or isinstance(config.key, KeyExpression)
    return _refusing_what_has_no_value(make) if computed else make


def _refusing_what_has_no_value(make: MessageMaker) -> MessageMaker:
    """Refuse the events for which an expression of the configuration has no value."""
    from bridge.expressions import EvaluationError  # its parser costs time and memory to import

    def messages(event: CdcEvent, body: str) -> Sequence[Message]:
        try:
            return make(event, body)
        except EvaluationError as error:
            raise Refused(error.message) from None

    return messages
