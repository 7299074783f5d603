"""RabbitMQ under the contract suite: an exchange and a queue of each type behind it."""

from __future__ import annotations

import json
from typing import Any, ClassVar

import pytest

from bridge.core.events import CdcEvent
from sinks.base import Sink
from sinks.rabbitmq.config import RabbitMqConfig
from sinks.rabbitmq.sink import RabbitMqSink
from sinks.rabbitmq.url import AmqpUrl
from tests.contract.target import SinkTarget
from tests.fixtures.delivered import position
from tests.fixtures.events import make_event
from tests.fixtures.rabbitmq.broker import Broker, QueueType


class RabbitMqTarget(SinkTarget):
    proves_position = False
    poison: ClassVar[CdcEvent] = make_event(0x100000, row=("1", "x" * 600_000))
    queue_type: ClassVar[QueueType] = "classic"
    connections: ClassVar[int] = 1

    def __init__(self, request: pytest.FixtureRequest) -> None:
        super().__init__(request)
        self.broker: Broker = request.getfixturevalue("rabbitmq")
        self.exchange = self.broker.new_exchange()
        self.queue = self.broker.new_queue(self.exchange, kind=self.queue_type)

    def sink(self) -> Sink:
        return RabbitMqSink(
            RabbitMqConfig(
                url=AmqpUrl(self.broker.url),
                exchange=self.exchange,
                connections=self.connections,
                max_in_flight=700,
                max_message_bytes=500_000,
            )
        )

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(message.body) for message in self.queue.read()]

    def close(self) -> None:
        self.queue.delete()
        self.broker.delete_exchange(self.exchange)


class QuorumTarget(RabbitMqTarget):
    queue_type = "quorum"


class StreamTarget(RabbitMqTarget):
    queue_type = "stream"


class SeveralConnectionsTarget(RabbitMqTarget):
    """Several connections: only the events of one key have an order of their own."""

    connections = 3

    def events(self) -> list[dict[str, Any]]:
        return sorted(super().events(), key=position)
