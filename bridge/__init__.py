"""pgbridge: from a PostgreSQL replication slot to durable sinks.

The names below are the public API. Each is imported when it is first used, so that importing
``bridge.core`` or ``decoders`` loads no driver, no client library and no framework.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bridge.app import Bridge
    from bridge.config import Config, load_config
    from bridge.config.event_store import StoreConfig
    from bridge.core.errors import BridgeError, DeliveryGivenUp, EventRejected
    from bridge.core.events import CdcEvent, Operation, Position
    from bridge.core.retry import RetryPolicy as RetryConfig
    from bridge.dataflow.python import ProcessorInput, processor
    from bridge.event_stores import open_storage
    from bridge.eventsourcing.config import EventStoreConfig
    from bridge.eventsourcing.errors import ConcurrencyConflict
    from bridge.eventsourcing.events import DomainEvent, Snapshot
    from bridge.eventsourcing.read_models import ReadModel
    from bridge.eventsourcing.store import EventStore
    from bridge.postgres.emitting import emit
    from bridge.postgres.slots import ReplicationConfig, ReplicationSlot, ReplicationSlotManager
    from bridge.projecting.python import projection
    from sinks.kafka import KafkaCdcConsumer, KafkaConfig
    from sinks.rabbitmq.config import RabbitMqConfig
    from sinks.rabbitmq.sink import RabbitMqCdcConsumer
    from sinks.webhook import WebhookCdcConsumer, WebhookConfig

__all__ = [
    "Bridge",
    "BridgeError",
    "CdcEvent",
    "ConcurrencyConflict",
    "Config",
    "DeliveryGivenUp",
    "DomainEvent",
    "EventRejected",
    "EventStore",
    "EventStoreConfig",
    "KafkaCdcConsumer",
    "KafkaConfig",
    "Operation",
    "Position",
    "ProcessorInput",
    "RabbitMqCdcConsumer",
    "RabbitMqConfig",
    "ReadModel",
    "ReplicationConfig",
    "ReplicationSlot",
    "ReplicationSlotManager",
    "RetryConfig",
    "Snapshot",
    "StoreConfig",
    "WebhookCdcConsumer",
    "WebhookConfig",
    "emit",
    "load_config",
    "open_storage",
    "processor",
    "projection",
]

_HOMES = {
    "Bridge": "bridge.app",
    "BridgeError": "bridge.core.errors",
    "CdcEvent": "bridge.core.events",
    "ConcurrencyConflict": "bridge.eventsourcing.errors",
    "Config": "bridge.config",
    "DeliveryGivenUp": "bridge.core.errors",
    "DomainEvent": "bridge.eventsourcing.events",
    "EventRejected": "bridge.core.errors",
    "EventStore": "bridge.eventsourcing.store",
    "EventStoreConfig": "bridge.eventsourcing.config",
    "KafkaCdcConsumer": "sinks.kafka",
    "KafkaConfig": "sinks.kafka",
    "Operation": "bridge.core.events",
    "Position": "bridge.core.events",
    "ProcessorInput": "bridge.dataflow.python",
    "RabbitMqCdcConsumer": "sinks.rabbitmq.sink",
    "RabbitMqConfig": "sinks.rabbitmq.config",
    "ReadModel": "bridge.eventsourcing.read_models",
    "ReplicationConfig": "bridge.postgres.slots",
    "ReplicationSlot": "bridge.postgres.slots",
    "ReplicationSlotManager": "bridge.postgres.slots",
    "RetryConfig": "bridge.core.retry:RetryPolicy",
    "Snapshot": "bridge.eventsourcing.events",
    "StoreConfig": "bridge.config.event_store",
    "WebhookCdcConsumer": "sinks.webhook",
    "WebhookConfig": "sinks.webhook",
    "emit": "bridge.postgres.emitting",
    "load_config": "bridge.config",
    "open_storage": "bridge.event_stores",
    "processor": "bridge.dataflow.python",
    "projection": "bridge.projecting.python",
}
"""Name to its module; with the name that it has there, where that is another one."""


def __getattr__(name: str) -> Any:
    try:
        home = _HOMES[name]
    except KeyError:
        raise AttributeError(f"module 'bridge' has no attribute {name!r}") from None
    module, _, known_as = home.partition(":")
    return getattr(import_module(module), known_as or name)
