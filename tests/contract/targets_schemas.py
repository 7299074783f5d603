"""Kafka with Avro and a schema registry as a target of the contract suite."""

from __future__ import annotations

import io
import json
from typing import Any

import fastavro
import pytest

from bridge.core.events import CdcEvent
from sinks.base import Sink
from sinks.kafka import KafkaConfig, KafkaSink
from sinks.schema_registry.config import SchemaRegistryConfig
from tests.contract.targets_kafka import KafkaTarget
from tests.fixtures.events import make_event, make_relation
from tests.fixtures.schema_registry.server import RegistryApi

_OVERFLOWING = make_event(
    0x100000, row=("1", "infinity"), relation=make_relation({"id": "int8", "at": "timestamptz"})
)


class KafkaAvroTarget(KafkaTarget):
    """Its poison is a value that its type in Avro has no place for."""

    poison: CdcEvent | None = _OVERFLOWING

    def __init__(self, request: pytest.FixtureRequest) -> None:
        super().__init__(request)
        self.registry: RegistryApi = request.getfixturevalue("schema_registry")
        self._schemas: dict[int, Any] = {}

    def sink(self) -> Sink:
        registry = SchemaRegistryConfig(
            url=self.registry.url, subject_strategy="topic_record_name", out_of_range="reject"
        )
        return KafkaSink(
            KafkaConfig(brokers=self.kafka.bootstrap, topic=self.topic, schema_registry=registry)
        )

    def events(self) -> list[dict[str, Any]]:
        return [self._event(message.value()) for message in self.kafka.topics.read(self.topic)]

    def _event(self, message: bytes) -> dict[str, Any]:
        """Return what the event is in native JSON."""
        number = int.from_bytes(message[1:5], "big")
        if number not in self._schemas:
            self._schemas[number] = json.loads(self.registry.schema(number))
        schema = self._schemas[number]
        event: dict[str, Any] = fastavro.schemaless_reader(io.BytesIO(message[5:]), schema)
        del event["old_columns"], event["truncate_options"]
        nulls = [
            f"{member}.doc"
            for member in ("new_values", "old_values")
            if _read_document(event[member]) == "null"
        ]
        return {
            **event,
            **({"json_nulls": nulls} if nulls else {}),
            "type": "cdc_event",
            "event_id": str(event["event_id"]),
            "timestamp": round(event["timestamp"].timestamp() * 1_000_000),
        }


def _read_document(row: dict[str, Any] | None) -> str | None:
    """Put the document in the place of the text of the jsonb column ``doc``; return the text."""
    text: str | None = None if row is None else row.get("doc")
    if row is not None and text is not None:
        row["doc"] = json.loads(text)
    return text
