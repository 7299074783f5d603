"""The sink ``kafka`` with a schema registry: real brokers, a real registry, Confluent's client."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from bridge.core.errors import ConfigError, EnvironmentProblem, Transient
from bridge.core.events import CdcEvent, EventBatch, Operation
from bridge.core.secret import Secret
from sinks.base import Progress, Rejection
from sinks.kafka import KafkaConfig, KafkaSink
from sinks.schema_registry.config import SchemaRegistryConfig
from tests.fixtures.events import FEED, make_event, make_relation
from tests.fixtures.kafka.fixtures import Kafka
from tests.fixtures.schema_registry.official_client import OfficialClient
from tests.fixtures.schema_registry.server import RegistryApi, SchemaRegistry
from tests.fixtures.waiting import eventually

USERS = make_relation({"id": "int8", "name": "text"}, key=["id"])
RETYPED = make_relation({"id": "int8", "name": "bool"}, key=["id"])
ORDERS = make_relation({"id": "int8", "name": "text"}, key=["id"], table="orders")


@pytest.fixture
def prefix(kafka: Kafka) -> str:
    """Return what the topics of this test begin with; ``users`` and ``orders`` are there."""
    found = f"t{uuid.uuid4().hex[:12]}"
    for table in ("users", "orders"):
        kafka.topics.create(f"{found}.{table}", partitions=2)
    return found


@contextmanager
def opened(
    kafka: Kafka, registry: RegistryApi, prefix: str, settings: dict[str, Any], **others: Any
) -> Iterator[KafkaSink]:
    """Open a sink whose topics are ``prefix.table``."""
    sink = KafkaSink(
        KafkaConfig(
            brokers=kafka.bootstrap,
            topic=f"{prefix}.{{table}}",
            schema_registry=SchemaRegistryConfig(url=registry.url, **settings),
            **others,
        )
    )
    sink.open(FEED)
    try:
        yield sink
    finally:
        sink.close()


def written(sink: KafkaSink, *events: CdcEvent) -> list[Rejection]:
    """Write events, wait until all are durable, and return those that were refused."""
    sink.write(EventBatch(list(events), size_bytes=100))
    rejections: list[Rejection] = []

    def durable() -> bool:
        progress: Progress = sink.flush(1)
        rejections.extend(progress.rejections)
        return progress.durable == events[-1].position

    eventually(durable, timeout=30, message="everything is durable")
    return rejections


def change(lsn: int, relation: Any = USERS, *, name: str = "Ada", key: int = 1) -> CdcEvent:
    return make_event(lsn, row=(str(key), name), relation=relation)


@pytest.mark.parametrize("delivery", ["at_least_once", "exactly_once"])
@pytest.mark.parametrize("kind", ["avro", "json_schema"])
def test_a_consumer_with_confluents_client_rebuilds_the_table(
    kafka: Kafka,
    schema_registry: RegistryApi,
    confluent_client: OfficialClient,
    prefix: str,
    kind: Any,
    delivery: Any,
) -> None:
    topic = f"{prefix}.users"
    inserts = [change(0x1000 + i, key=i, name=f"user {i}") for i in range(20)]
    update = make_event(0x2000, operation=Operation.UPDATE, row=("3", "Grace"), relation=USERS)
    moved = make_event(
        0x3000, operation=Operation.UPDATE, row=("104", "user 4"), old=("4", None), relation=USERS
    )
    delete = make_event(0x4000, operation=Operation.DELETE, old=("5", None), relation=USERS)

    with opened(
        kafka, schema_registry, prefix, {"value": kind, "key": kind}, format="debezium",
        delivery=delivery, positions_topic=f"{prefix}-positions",
        transactional_id=prefix if delivery == "exactly_once" else None,
    ) as sink:  # fmt: skip
        assert written(sink, *inserts, update, moved, delete) == []

    messages = kafka.topics.read(topic)
    url = schema_registry.url
    keys = confluent_client.read(
        url, [m.key() for m in messages], topic=topic, kind=kind, part="key"
    )
    bodies = [m.value() for m in messages if m.value() is not None]
    values = iter(confluent_client.read(url, bodies, topic=topic, kind=kind))
    table = {}
    for key, message in zip(keys, messages, strict=True):
        after = None if message.value() is None else next(values)["after"]
        if after is None:
            table.pop(key["id"], None)
        else:
            table[key["id"]] = after["name"]
    expected = {i: f"user {i}" for i in range(20) if i not in (4, 5)}
    assert table == {**expected, 3: "Grace", 104: "user 4"}


@pytest.mark.parametrize("delivery", ["at_least_once", "exactly_once"])
def test_an_incompatible_table_is_dead_lettered_while_the_others_flow(
    kafka: Kafka, schema_registry: RegistryApi, prefix: str, delivery: Any
) -> None:
    retyped = [change(lsn, RETYPED, name="t") for lsn in (0x2000, 0x4000)]
    orders = [change(lsn, ORDERS) for lsn in (0x3000, 0x5000)]

    with opened(
        kafka, schema_registry, prefix, {"on_incompatible": "dead_letter"},
        delivery=delivery, positions_topic=f"{prefix}-positions",
        transactional_id=prefix if delivery == "exactly_once" else None,
    ) as sink:  # fmt: skip
        assert written(sink, change(0x1000)) == []
        rejections = written(sink, retyped[0], orders[0], retyped[1], orders[1])

    assert [rejection.position for rejection in rejections] == [e.position for e in retyped]
    assert all("public.users" in rejection.reason for rejection in rejections)
    counts = {t: len(kafka.topics.read(f"{prefix}.{t}")) for t in ("users", "orders")}
    print(f"{delivery}: sent 5, confirmed {counts}, dead letters {len(rejections)}, lost 0")
    assert counts == {"users": 1, "orders": 2}


def test_an_incompatible_table_stops_the_sink_by_default(
    kafka: Kafka, schema_registry: RegistryApi, prefix: str
) -> None:
    with opened(kafka, schema_registry, prefix, {}) as sink:
        written(sink, change(0x1000))
        with pytest.raises(EnvironmentProblem, match=r"public\.users"):
            sink.write(EventBatch([change(0x2000, RETYPED, name="t")]))


def test_a_registry_that_is_down_holds_only_new_schemas_back_and_nothing_is_lost(
    kafka: Kafka, private_registry: SchemaRegistry, prefix: str
) -> None:
    users = [change(0x1000 * i) for i in (1, 2)]
    order = change(0x3000, ORDERS)
    with opened(kafka, private_registry, prefix, {}) as sink:
        assert written(sink, users[0]) == []
        private_registry.stop()
        assert written(sink, users[1]) == []
        with pytest.raises(Transient, match="schema registry"):
            sink.write(EventBatch([order]))
        private_registry.start()
        sink.close()
        sink.open(FEED)
        assert written(sink, order) == []

    counts = {t: len(kafka.topics.read(f"{prefix}.{t}")) for t in ("users", "orders")}
    print(f"sent 3, confirmed {counts}, lost 0")
    assert counts == {"users": 2, "orders": 1}


def test_what_does_not_go_together_is_refused_by_name() -> None:
    def config(registry: dict[str, Any], **settings: Any) -> KafkaConfig:
        named = SchemaRegistryConfig(url="http://registry:8081", **registry)
        return KafkaConfig(brokers="broker:9092", schema_registry=named, **settings)

    with pytest.raises(ConfigError, match="no schemas for the format flat"):
        config({}, format="flat")
    with pytest.raises(ConfigError, match="outbox"):
        config({}, topic="outbox")
    with pytest.raises(ConfigError, match="setting key asks for others"):
        config({"key": "avro"}, key="table")
    assert "s3cret" not in repr(config({"username": "u", "password": Secret("s3cret")}))
