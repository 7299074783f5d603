"""Kafka as a target of the contract suite: a topic of one partition on a real broker."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from bridge.core.events import CdcEvent
from sinks.base import Sink
from sinks.kafka import KafkaConfig, KafkaSink
from tests.contract.target import SinkTarget
from tests.fixtures.events import make_event
from tests.fixtures.kafka.fixtures import Kafka

_MAX_MESSAGE_BYTES = 500_000


class KafkaTarget(SinkTarget):
    proves_position = False
    poison: CdcEvent | None = make_event(0x100000, row=("1", "x" * _MAX_MESSAGE_BYTES))
    delivery = "at_least_once"

    def __init__(self, request: pytest.FixtureRequest) -> None:
        super().__init__(request)
        self.kafka: Kafka = request.getfixturevalue("kafka")
        self.topic = f"contract-{uuid.uuid4().hex[:12]}"
        self.kafka.topics.create(self.topic)

    def sink(self) -> Sink:
        return KafkaSink(
            KafkaConfig(
                brokers=self.kafka.bootstrap,
                topic=self.topic,
                delivery=self.delivery,
                max_message_bytes=_MAX_MESSAGE_BYTES,
                positions_topic=f"{self.topic}-positions",
                transactional_id=None if self.delivery == "at_least_once" else self.topic,
            )
        )

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(message.value()) for message in self.kafka.topics.read(self.topic)]


class ExactlyOnceKafkaTarget(KafkaTarget):
    proves_position = True
    delivery = "exactly_once"
