"""The targets that the contract suite of sinks runs on.

A new sink joins with a class, here or in a module of its own, and its line in ``TARGETS``.
"""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from sinks.base import Sink
from sinks.stdout import StdoutConfig, StdoutSink
from tests.contract.target import SinkTarget
from tests.contract.targets_file import (
    CloudEventsFileTarget,
    DebeziumFileTarget,
    FileTarget,
    FlatFileTarget,
    RotatedFileTarget,
)
from tests.contract.targets_kafka import ExactlyOnceKafkaTarget, KafkaTarget
from tests.contract.targets_rabbitmq import (
    QuorumTarget,
    RabbitMqTarget,
    SeveralConnectionsTarget,
    StreamTarget,
)
from tests.contract.targets_schemas import KafkaAvroTarget
from tests.contract.targets_webhook import WebhookBatchTarget, WebhookTarget
from tests.fixtures.events import make_event
from tests.fixtures.faults import FaultySink
from tests.fixtures.memory_sink import MemorySink, MemoryTarget


class StdoutTarget(SinkTarget):
    proves_position = False

    def __init__(self, request: pytest.FixtureRequest) -> None:
        super().__init__(request)
        self.path = request.getfixturevalue("tmp_path") / "stdout"
        self.descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def sink(self) -> Sink:
        return StdoutSink(StdoutConfig(), self.descriptor)

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.path.read_bytes().splitlines()]

    def close(self) -> None:
        os.close(self.descriptor)


class RememberingMemory(SinkTarget):
    proves_position = True

    def __init__(self, request: pytest.FixtureRequest) -> None:
        super().__init__(request)
        self.target = MemoryTarget()

    def sink(self) -> Sink:
        return MemorySink(self.target, proves_position=self.proves_position)

    def events(self) -> list[dict[str, Any]]:
        return self.target.events


class ForgetfulMemory(RememberingMemory):
    proves_position = False


class RefusingMemory(RememberingMemory):
    poison = make_event(0x100000)

    def sink(self) -> Sink:
        faulty = FaultySink(super().sink())
        faulty.reject([self.poison.position])
        return faulty


TARGETS = [
    pytest.param(FileTarget, id="file"),
    pytest.param(RotatedFileTarget, id="file-rotated"),
    pytest.param(DebeziumFileTarget, id="file-debezium"),
    pytest.param(CloudEventsFileTarget, id="file-cloudevents"),
    pytest.param(FlatFileTarget, id="file-flat"),
    pytest.param(StdoutTarget, id="stdout"),
    pytest.param(RememberingMemory, id="memory"),
    pytest.param(ForgetfulMemory, id="memory-forgetful"),
    pytest.param(RefusingMemory, id="memory-refusing"),
    pytest.param(WebhookTarget, id="webhook"),
    pytest.param(WebhookBatchTarget, id="webhook-batch"),
    pytest.param(KafkaTarget, id="kafka"),
    pytest.param(ExactlyOnceKafkaTarget, id="kafka-exactly-once"),
    pytest.param(KafkaAvroTarget, id="kafka-avro"),
    pytest.param(RabbitMqTarget, id="rabbitmq"),
    pytest.param(QuorumTarget, id="rabbitmq-quorum"),
    pytest.param(StreamTarget, id="rabbitmq-stream"),
    pytest.param(SeveralConnectionsTarget, id="rabbitmq-connections"),
]
