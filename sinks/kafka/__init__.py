"""The sink ``kafka``, with the library ``confluent-kafka``.

``sink`` opens a ``session``, which has one producer (``client``) from open to close and counts
what is confirmed (``delivery``); ``transactions`` is the session of ``exactly_once``, and
``positions`` is where it keeps what it has sent. ``messages`` and ``outbox`` make messages.
"""

from __future__ import annotations

from sinks.kafka.config import KafkaConfig, OutboxConfig, SaslConfig, TlsConfig, TopicCreation
from sinks.kafka.consumer import KafkaCdcConsumer
from sinks.kafka.sink import KafkaSink

__all__ = [
    "KafkaCdcConsumer",
    "KafkaConfig",
    "KafkaSink",
    "OutboxConfig",
    "SaslConfig",
    "TlsConfig",
    "TopicCreation",
]
