"""The sink ``kafka``: keyed messages, confirmed by all replicas that are in sync."""

from __future__ import annotations

from typing import TYPE_CHECKING

from confluent_kafka import KafkaException

from bridge.core.errors import EnvironmentProblem, InvariantViolated
from bridge.core.events import EventBatch, Position
from sinks.base import Feed, Progress
from sinks.formats import Format, make_format
from sinks.kafka.client import Connection, Settings, connection_settings
from sinks.kafka.config import OUTBOX, KafkaConfig
from sinks.kafka.delivery import Care
from sinks.kafka.errors import problem
from sinks.kafka.messages import MessageMaker, event_messages, safe_topic
from sinks.kafka.outbox import OutboxMessages
from sinks.kafka.positions import positions_topic, read_position
from sinks.kafka.session import Parts, Session
from sinks.kafka.topics import Topics
from sinks.kafka.transactions import TransactionalSession, transactional_id
from sinks.routing import Routes

if TYPE_CHECKING:
    from sinks.schema_registry.encoder import SchemaEncoder

_INIT_TIMEOUT_S = 20.0


class KafkaSink:
    """Produces events to Kafka.

    Within a session the idempotent producer keeps the order of a partition and repeats nothing.
    When anything fails the producer is dropped, and all that was not durable is produced again, in
    order, by the producer of the next session. No message is ever repeated by itself.
    """

    Config = KafkaConfig

    def __init__(self, config: KafkaConfig) -> None:
        self._config = config
        self._format = make_format(config)
        self._care = Care(batch_bytes=int(config.options.get("batch.size", 1_000_000)))
        self._session: Session | None = None
        self._has_been_open = False
        self._schemas = _schema_encoder(config)
        # Says now what is wrong with the settings.
        _message_maker(config, self._format, "", self._schemas)

    def open(self, feed: Feed) -> Position | None:
        self.close()
        config = self._config
        extra: Settings = {"batch.size": self._care.batch_bytes}
        if config.delivery == "exactly_once":
            extra["transactional.id"] = config.transactional_id or transactional_id(feed)
            extra["transaction.timeout.ms"] = config.transaction_timeout_ms
        else:
            # Nothing is sent behind a message that failed, and none fails by the clock.
            extra["enable.gapless.guarantee"] = True
            extra["message.timeout.ms"] = 0
        connection = Connection(config, extra, was_let_in=self._has_been_open)
        try:
            topics = Topics(connection, connection_settings(config), config.create_topics)
            self._check_topic(connection, topics, feed.slot)
            parts = Parts(
                config=config,
                fmt=self._format if self._schemas is None else None,
                messages=_message_maker(config, self._format, feed.slot, self._schemas),
                connection=connection,
                topics=topics,
                care=self._care,
            )
            held = self._begin(parts, feed)
        except BaseException:
            connection.close()
            raise
        self._has_been_open = True
        return held

    def write(self, batch: EventBatch) -> None:
        self._open_session().write(batch)

    def poll(self) -> Progress:
        return self._open_session().poll()

    def flush(self, timeout: float) -> Progress:
        return self._open_session().flush(timeout)

    def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.close()
        if self._schemas is not None:
            self._schemas.close()

    def _open_session(self) -> Session:
        if self._session is None:
            raise InvariantViolated("The sink for Kafka is used before it is open.")
        return self._session

    def _check_topic(self, connection: Connection, topics: Topics, slot: str) -> None:
        """See that the cluster answers, and that the topic is there if there is only one.

        A topic that goes away later is waited for; one that was never there is a mistake.
        """
        name = Routes(self._config.topic, self._config.routes, slot=slot).constant
        if self._config.topic == OUTBOX or name is None:
            connection.metadata(None)
            return
        creates = self._config.create_topics is not None
        if not self._has_been_open and not creates and topics.missing(name):
            raise EnvironmentProblem(
                f"There is no topic {safe_topic(name)!r}.",
                remedy="Create it, or set create_topics.",
            )
        topics.admit(name)

    def _begin(self, parts: Parts, feed: Feed) -> Position | None:
        if self._config.delivery != "exactly_once":
            self._session = Session(parts)
            return None
        config, connection = self._config, parts.connection
        settings = connection_settings(config)
        factor = config.create_topics.replication_factor if config.create_topics else None
        Topics(connection, settings, positions_topic(factor)).admit(config.positions_topic)
        try:
            connection.producer.init_transactions(_INIT_TIMEOUT_S)  # ends what a zombie has begun
        except KafkaException as error:
            raise problem("Transactions could not be prepared", error.args[0]) from None
        held = read_position(settings, config.positions_topic, feed)
        self._session = TransactionalSession(parts, feed, held)
        return held


def _message_maker(
    config: KafkaConfig, fmt: Format, slot: str, schemas: SchemaEncoder | None
) -> MessageMaker:
    if config.topic == OUTBOX:
        return OutboxMessages(config.outbox, headers=config.headers)
    return event_messages(config, fmt, slot, schemas)


def _schema_encoder(config: KafkaConfig) -> SchemaEncoder | None:
    if config.schema_registry is None:
        return None
    from sinks.schema_registry.encoder import SchemaEncoder  # only who has one needs its client

    return SchemaEncoder(config.schema_registry, config)
