"""The settings of the sink ``kafka``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from bridge.core.errors import ConfigError
from bridge.core.secret import Secret
from sinks.formats import FormatConfig
from sinks.kafka.options import check_options
from sinks.keys import KeyStrategy
from sinks.routing import RoutesSetting
from sinks.schema_registry.config import SchemaRegistryConfig
from sinks.templates import Template

OUTBOX = "outbox"
"""The topic that stands for the topics of an outbox."""

DEFAULT_MAX_MESSAGE_BYTES = 1_000_000
"""A little less than what a broker takes by default (``message.max.bytes``, 1,048,588)."""

DEFAULT_COMMIT_INTERVAL_MS = 50
"""A commit costs a few round trips; twenty in a second are cheap, and nobody waits for long."""

DEFAULT_TRANSACTION_TIMEOUT_MS = 60_000
"""The default of Kafka's own clients; the broker ends what takes longer."""

_PASSWORD_MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")


@dataclass(frozen=True, slots=True, kw_only=True)
class SaslConfig:
    """How the sink proves to the brokers who it is.

    Attributes:
        mechanism: ``PLAIN``, ``SCRAM-SHA-256``, ``SCRAM-SHA-512`` or ``OAUTHBEARER``.
        username: for all mechanisms but ``OAUTHBEARER``.
        password: for all mechanisms but ``OAUTHBEARER``.
        token_url: where ``OAUTHBEARER`` gets tokens from, with the client credentials grant.
        client_id: at the token endpoint.
        client_secret: at the token endpoint.
        scope: asked for at the token endpoint; null for none.
    """

    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"]
    username: str | None = None
    password: Secret | None = None
    token_url: str | None = None
    client_id: str | None = None
    client_secret: Secret | None = None
    scope: str | None = None

    def __post_init__(self) -> None:
        if self.mechanism in _PASSWORD_MECHANISMS:
            needed = {"username": self.username, "password": self.password}
        else:
            needed = {
                "token_url": self.token_url,
                "client_id": self.client_id,
                "client_secret": self.client_secret,
            }
        missing = [name for name, value in needed.items() if not value]
        if missing:
            raise ConfigError(
                f"The mechanism {self.mechanism} needs {' and '.join(missing)}.",
                remedy=f"Set {', '.join(missing)} in the section sasl.",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsConfig:
    """Encryption. The certificate of a broker and the name in it are always verified.

    Attributes:
        ca_file: certificates that sign the brokers'; null for those of the system.
        cert_file: our certificate, where brokers ask for one.
        key_file: its private key.
        key_password: of the private key.
    """

    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    key_password: Secret | None = None

    def __post_init__(self) -> None:
        if (self.cert_file is None) != (self.key_file is None):
            raise ConfigError(
                "A certificate and its private key belong together.",
                remedy="Set both cert_file and key_file, or neither.",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicCreation:
    """How a topic is made that does not exist.

    Attributes:
        partitions: how many; null for the default of the brokers.
        replication_factor: how many copies; null for the default of the brokers.
        config: of the topic, such as ``cleanup.policy: compact``.
    """

    partitions: int | None = field(default=None, metadata={"ge": 1})
    replication_factor: int | None = field(default=None, metadata={"ge": 1})
    config: Mapping[str, str | int | float | bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxConfig:
    """Which columns of an outbox table make up a message, for ``topic: outbox``.

    Attributes:
        topic: where a message goes; ``{aggregate_type}`` is the value of that column.
        id: column with the id of the message: its header ``id``.
        aggregate_type: column that chooses the topic.
        aggregate_id: column with the key of the message.
        event_type: column with the header ``eventType``; null for no such header.
        payload: column with the body of the message, which is sent as it is.
    """

    topic: str = field(default="outbox.event.{aggregate_type}", metadata={"min_length": 1})
    id: str = "id"
    aggregate_type: str = "aggregatetype"
    aggregate_id: str = "aggregateid"
    event_type: str | None = "type"
    payload: str = "payload"

    def __post_init__(self) -> None:
        Template(self.topic, allowed=("aggregate_type",))


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaConfig(FormatConfig):
    """Settings of the sink ``kafka``.

    Attributes:
        brokers: addresses to begin with, ``host:port``, separated by commas.
        topic: where an event goes; may hold ``{schema}``, ``{table}``, ``{operation}``,
            ``{database}`` and ``{slot}``. ``outbox``: rows of outbox tables become messages.
        routes: rules that choose another topic, in their order: ``{where: condition, to: topic}``;
            or the name of a Python function, ``package.module:function``.
        key: of a message: ``row_id``, ``table``, ``transaction``, a list of columns, or
            ``{expression: ...}``.
        delivery: ``at_least_once``, or ``exactly_once`` for readers with ``read_committed``.
        compression: of what goes over the network and onto the brokers' disks.
        tombstones: whether a delete is followed by a message without a body, and an update of a
            key becomes a delete and an insert; null: in the format ``debezium`` only.
        headers: whether messages have headers.
        schema_registry: Avro or JSON Schema in place of plain JSON; null for none.
        create_topics: how topics are made that do not exist; null: they are not made.
        max_message_bytes: larger messages are refused and become dead letters.
        sasl: how the sink proves who it is; null for a cluster that does not ask.
        tls: encryption; null for none.
        outbox: the columns of outbox tables, for ``topic: outbox``.
        transactional_id: for ``exactly_once``; by default made of cluster, database, slot and name
            of the sink, and so different for every sink.
        positions_topic: for ``exactly_once``: a compacted topic that keeps the position of each
            sink; made if it does not exist.
        commit_interval_ms: for ``exactly_once``: how long a transaction may stay open.
        transaction_timeout_ms: for ``exactly_once``: when the brokers end one that was left open.
        options: further settings of librdkafka, by its names.
    """

    brokers: str = field(metadata={"min_length": 1})
    topic: str = field(default="orbit-cdc-events", metadata={"min_length": 1})
    routes: RoutesSetting = ()
    key: KeyStrategy = "row_id"
    delivery: Literal["at_least_once", "exactly_once"] = "at_least_once"
    compression: Literal["none", "gzip", "snappy", "lz4", "zstd"] = "lz4"
    tombstones: bool | None = None
    headers: bool = True
    schema_registry: SchemaRegistryConfig | None = None
    create_topics: TopicCreation | None = None
    max_message_bytes: int = field(
        default=DEFAULT_MAX_MESSAGE_BYTES, metadata={"ge": 1_000, "le": 1_000_000_000}
    )
    sasl: SaslConfig | None = None
    tls: TlsConfig | None = None
    outbox: OutboxConfig = field(default_factory=OutboxConfig)
    transactional_id: str | None = field(default=None, metadata={"min_length": 1})
    positions_topic: str = field(
        default="pgbridge-positions",
        metadata={"pattern": r"^[A-Za-z0-9._-]{1,249}$", "form": "the name of a topic"},
    )
    commit_interval_ms: int = field(default=DEFAULT_COMMIT_INTERVAL_MS, metadata={"ge": 1})
    transaction_timeout_ms: int = field(
        default=DEFAULT_TRANSACTION_TIMEOUT_MS, metadata={"ge": 1_000, "le": 900_000}
    )
    options: Mapping[str, str | int | float | bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        Template(self.topic)
        check_options(self.options)
        if self.commit_interval_ms * 2 > self.transaction_timeout_ms:
            raise ConfigError(
                "A transaction would be ended by the brokers before it is committed.",
                remedy="Make transaction_timeout_ms at least twice commit_interval_ms.",
            )
        if self.transactional_id is not None and self.delivery != "exactly_once":
            raise ConfigError(
                "transactional_id means nothing without delivery: exactly_once.",
                remedy="Set delivery: exactly_once, or leave out transactional_id.",
            )
        if self.schema_registry is not None:
            self._check_schemas(self.schema_registry)

    def check_results(self) -> None:
        FormatConfig.check_results(self)
        if self.schema_registry is not None:
            raise ConfigError(
                "Results of processors are plain JSON, without schemas of a registry.",
                remedy="Leave out schema_registry, or give the processor a sink of its own.",
            )
        if self.topic == OUTBOX:
            raise ConfigError(
                "Results of processors are no rows of an outbox.",
                remedy="Set topic to where they shall go, such as results.{table}.",
            )

    def _check_schemas(self, registry: SchemaRegistryConfig) -> None:
        registry.check_format(self.format)
        if self.topic == OUTBOX:
            raise ConfigError(
                "An outbox's messages are sent as they are, without schemas.",
                remedy="Leave out schema_registry.",
            )
        if registry.key != "text" and self.key != "row_id":
            raise ConfigError(
                f"Keys in {registry.key} are those of the rows, and the setting key asks for"
                " others.",
                remedy="Leave out key, or set schema_registry.key: text.",
            )
