"""Kafka for programs that have events but no slot."""

from __future__ import annotations

from bridge.core.retry import RetryPolicy
from sinks.consumer import SinkConsumer
from sinks.kafka.config import KafkaConfig
from sinks.kafka.sink import KafkaSink


class KafkaCdcConsumer(SinkConsumer):
    """Delivers single events to Kafka: ``process_event`` returns when all replicas have them.

    Args:
        config: of the sink ``kafka``.
        retry: how often, and for how long, one event is tried.
        name: in messages; with ``exactly_once`` also of the transactions, so a program that runs
            beside another one needs a name of its own.
    """

    def __init__(
        self, config: KafkaConfig, *, retry: RetryPolicy | None = None, name: str = "kafka"
    ) -> None:
        super().__init__(KafkaSink(config), name=name, retry=retry)
