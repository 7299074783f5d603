"""The sink ``kafka``, with the library ``confluent-kafka``."""

from __future__ import annotations

from sinks.kafka.config import KafkaConfig
from sinks.kafka.sink import KafkaSink

__all__ = ["KafkaConfig", "KafkaSink"]
