"""From events to messages: topic, key, body and headers."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol, TypeAlias

from bridge.core.events import CdcEvent, Operation
from sinks.formats import Format
from sinks.kafka.config import KafkaConfig
from sinks.key_change import split_key_change
from sinks.keys import KeyExpression, make_key
from sinks.message_headers import MessageHeaders
from sinks.routing import Routes
from sinks.schema_registry.errors import Unencodable

if TYPE_CHECKING:
    from sinks.schema_registry.encoder import SchemaEncoder

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
            body: the event in the format of the sink; empty where schemas give another form.

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
        schemas: encodes bodies, and keys where it is configured so; None for the text of ``fmt``.
    """

    def __init__(
        self,
        topic: Callable[[CdcEvent], str],
        key: Callable[[CdcEvent], str | None],
        fmt: Format,
        *,
        headers: bool,
        tombstones: bool,
        schemas: SchemaEncoder | None = None,
    ) -> None:
        self._topic = topic
        self._key = key
        self._format = fmt
        self._headers = MessageHeaders(for_routing=False) if headers else None
        self._tombstones = tombstones
        self._schemas = schemas
        self._encoded = self._as_text if schemas is None else self._under_schemas

    def __call__(self, event: CdcEvent, body: str) -> Sequence[Message]:
        headers = None if self._headers is None else self._headers(event)
        operation = event.operation
        if self._tombstones and operation is Operation.UPDATE:
            parts = split_key_change(event)
            if parts is not None:
                return self._changed_key(*parts, headers)
        topic, key, value = self._encoded(event, body)
        if self._tombstones and operation is Operation.DELETE:
            return ((topic, key, value, headers), (topic, key, None, headers))
        return ((topic, key, value, headers),)

    def _as_text(self, event: CdcEvent, body: str) -> tuple[str, Body, Body]:
        """Return topic, key and body of the message of an event."""
        return self._topic(event), self._key(event), body

    def _under_schemas(self, event: CdcEvent, body: str) -> tuple[str, Body, Body]:
        topic, schemas = safe_topic(self._topic(event)), self._schemas
        assert schemas is not None
        try:
            key = schemas.encode_key(event, topic) if schemas.encodes_keys else self._key(event)
            return topic, key, schemas.encode_value(event, topic)
        except Unencodable as error:
            raise Refused(error.reason) from None

    def _changed_key(
        self, before: CdcEvent, after: CdcEvent, headers: Headers
    ) -> Sequence[Message]:
        from_topic, old_key, deleted = self._encoded(before, self._format.encode(before))
        to_topic, new_key, inserted = self._encoded(after, self._format.encode(after))
        to_old = to_new = headers
        if headers is not None:
            to_old = [*headers, ("__debezium.newkey", new_key)]
            to_new = [*headers, ("__debezium.oldkey", old_key)]
        return (
            (from_topic, old_key, deleted, to_old),
            (from_topic, old_key, None, headers),
            (to_topic, new_key, inserted, to_new),
        )


def event_messages(
    config: KafkaConfig, fmt: Format, slot: str, schemas: SchemaEncoder | None = None
) -> MessageMaker:
    """Return the maker that a sink was configured with."""
    tombstones = config.format == "debezium" if config.tombstones is None else config.tombstones
    routes = Routes(config.topic, config.routes, slot=slot)
    constant = routes.constant
    make = EventMessages(
        routes.target if constant is None else lambda _: constant,
        make_key(config.key, fmt),
        fmt,
        headers=config.headers,
        tombstones=tombstones,
        schemas=schemas,
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
