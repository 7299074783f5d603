"""The settings of the sink ``rabbitmq``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from bridge.core.errors import ConfigError
from sinks.formats import FormatConfig
from sinks.keys import KeyStrategy
from sinks.rabbitmq.url import Address, AmqpUrl
from sinks.routing import Routes, RoutesSetting

MIB = 1024 * 1024

DEFAULT_HEARTBEAT_SECONDS = 30
"""Half of what RabbitMQ proposes: a dead connection is noticed within a minute."""

DEFAULT_CONNECT_TIMEOUT_SECONDS = 10.0
"""A broker that answers at all does so within a second; one that starts refuses at once."""

DEFAULT_MAX_IN_FLIGHT = 5_000
"""A third of a second of a fast broker: enough to keep it busy between two confirmations."""

DEFAULT_MAX_IN_FLIGHT_BYTES = 16 * MIB
"""Bounds the memory of the bridge, and what a broker with an alarm leaves in it."""

DEFAULT_MAX_MESSAGE_BYTES = 16 * MIB
"""The default ``max_message_size`` of RabbitMQ 4; that of RabbitMQ 3 is 128 MiB."""

OPTIONS = ("channel_max", "client_properties", "frame_max", "locale", "socket_timeout",
           "stack_timeout", "tcp_options")  # fmt: skip
"""What ``options`` may hold: parameters of pika that no setting of ours stands for."""

_MAX_NAME = {"max_length": 255}


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueConfig:
    """A queue or stream that the events have to reach.

    Attributes:
        name: of the queue.
        type: ``classic``, ``quorum`` or ``stream``.
        arguments: of the declaration, such as ``x-max-length``.
        bind: the binding keys, where the sink declares; by default ``#`` for a topic exchange and
            an empty key for fanout and headers.
    """

    name: str = field(metadata={"min_length": 1, **_MAX_NAME})
    type: Literal["classic", "quorum", "stream"] = "quorum"
    arguments: dict[str, Any] = field(default_factory=dict)
    bind: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsConfig:
    """How TLS is spoken with a broker; its certificate and name are always verified.

    Attributes:
        ca_file: certificates of the authorities to trust, in PEM; those of the system by default.
        certificate_file: our own certificate, in PEM, for brokers that ask for one.
        key_file: the key of that certificate, in PEM.
    """

    ca_file: str | None = None
    certificate_file: str | None = None
    key_file: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RabbitMqConfig(FormatConfig):
    """Settings of the sink ``rabbitmq``.

    Attributes:
        url: ``amqp://user:password@host:port/vhost``, or ``amqps://`` for TLS.
        exchange: where messages are published; empty for the default exchange, where the routing
            key is the name of a queue.
        exchange_type: ``direct``, ``topic``, ``fanout`` or ``headers``.
        declare: declare exchange and queue, durable, if they are missing; otherwise they are only
            looked for.
        routing_key: template of the routing key.
        routes: rules that choose another routing key, in their order: ``{tables: [...], where:
            condition, to: template}``; or ``package.module:function`` in Python.
        queue: a queue to declare and bind, or to look for; null for none.
        persistent: messages outlive a restart of the broker.
        key: what keeps its order when there are several connections: ``row_id``, ``table``,
            ``transaction``, a list of columns, or ``{expression: ...}``.
        connections: how many connections publish side by side.
        max_in_flight: messages that may wait for their confirmation.
        max_in_flight_bytes: the same in bytes.
        max_message_bytes: larger messages are rejected without being sent.
        heartbeat_seconds: how long a connection may be silent.
        connect_timeout_seconds: how long connecting may take.
        blocked_timeout_seconds: after how long without leave to publish the connection is
            replaced; null to wait for as long as the broker's alarm lasts.
        app_id: the property ``app_id`` of every message.
        tls: certificates, for ``amqps://``.
        options: further connection parameters of pika.
    """

    url: AmqpUrl
    exchange: str = field(default="pgbridge", metadata=_MAX_NAME)
    exchange_type: Literal["direct", "topic", "fanout", "headers"] = "topic"
    declare: bool = True
    routing_key: str = "cdc.{table}.{operation}"
    routes: RoutesSetting = ()
    queue: QueueConfig | None = None
    persistent: bool = True
    key: KeyStrategy = "row_id"
    connections: int = field(default=1, metadata={"ge": 1, "le": 64})
    max_in_flight: int = field(default=DEFAULT_MAX_IN_FLIGHT, metadata={"ge": 1})
    max_in_flight_bytes: int = field(default=DEFAULT_MAX_IN_FLIGHT_BYTES, metadata={"ge": 1})
    max_message_bytes: int = field(default=DEFAULT_MAX_MESSAGE_BYTES, metadata={"ge": 1024})
    heartbeat_seconds: int = field(
        default=DEFAULT_HEARTBEAT_SECONDS, metadata={"ge": 1, "le": 3600}
    )
    connect_timeout_seconds: float = field(
        default=DEFAULT_CONNECT_TIMEOUT_SECONDS, metadata={"gt": 0}
    )
    blocked_timeout_seconds: float | None = field(default=None, metadata={"gt": 0})
    app_id: str = field(default="pgbridge", metadata=_MAX_NAME)
    tls: TlsConfig | None = None
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        try:
            address = Address.parse(self.url.reveal())
        except ValueError as error:
            raise ValueError(f"url {error}") from None
        Routes(self.routing_key, self.routes)
        if self.tls is not None and not address.secure:
            raise ValueError("tls has settings, but the url begins with amqp://, without TLS.")
        unknown = [name for name in self.options if name not in OPTIONS]
        if unknown:
            raise ConfigError(
                f"options has the unknown name {unknown[0]!r}.",
                remedy=f"Known names: {', '.join(OPTIONS)}.",
            )
        if self.queue is not None and self.declare:
            self.bindings()

    @property
    def address(self) -> Address:
        """The broker's address, with the password."""
        return Address.parse(self.url.reveal())

    def bindings(self) -> tuple[str, ...]:
        """Return the binding keys of the queue.

        Raises:
            ConfigError: there are none, and none that go without saying.
        """
        if self.queue is None or not self.exchange:
            return ()
        if self.queue.bind is not None:
            return self.queue.bind
        if self.exchange_type == "direct":
            raise ConfigError(
                "queue has no binding keys, and a direct exchange needs each of them.",
                remedy="List the routing keys in queue.bind.",
            )
        return ("#",) if self.exchange_type == "topic" else ("",)
