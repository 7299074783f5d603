"""The sink for Kafka on a real broker: topics, keys, bodies, refusals, and transactions."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from confluent_kafka import Message, Producer

from bridge.core.errors import EnvironmentProblem, EventRejected, Transient
from bridge.core.events import CdcEvent, EventBatch, Operation, Position
from sinks.base import Feed, Rejection
from sinks.kafka import KafkaCdcConsumer, KafkaConfig, KafkaSink
from sinks.kafka.config import OutboxConfig, TopicCreation
from sinks.kafka.positions import position_key
from sinks.routing import Route
from tests.fixtures.events import (
    FEED,
    make_event,
    make_message,
    make_relation,
    many_transactions,
    positions,
    whole_transaction,
)
from tests.fixtures.kafka.fixtures import Kafka, PrivateKafkaFactory
from tests.fixtures.kafka.reader import Topics, headers

FLUSH_S = 30.0
BOTH = pytest.mark.parametrize("delivery", ["at_least_once", "exactly_once"])

MakeSink = Callable[..., KafkaSink]
NewTopic = Callable[[], str]


@pytest.fixture
def topic(kafka: Kafka, new_topic: NewTopic) -> str:
    name = new_topic()
    kafka.topics.create(name)
    return name


@pytest.fixture
def make_sink(kafka: Kafka, topic: str) -> Iterator[MakeSink]:
    """Return a maker of sinks on the topic of this test; none outlives it."""
    made: list[KafkaSink] = []

    def make(**settings: Any) -> KafkaSink:
        config = {"brokers": kafka.bootstrap, "topic": topic, **settings}
        if config.get("delivery") == "exactly_once":
            config.setdefault("positions_topic", f"{topic}-positions")
            config.setdefault("transactional_id", topic)
        sink = KafkaSink(KafkaConfig(**config))
        made.append(sink)
        return sink

    yield make
    for sink in made:
        sink.close()


def deliver(
    sink: KafkaSink, batches: Sequence[EventBatch], feed: Feed = FEED
) -> tuple[list[Rejection], int]:
    """Deliver as a worker does; return what was refused, and how often the sink was reopened."""
    refused: list[Rejection] = []
    durable: Position | None = None
    for attempt in range(60):
        try:
            held = sink.open(feed)
            durable = max((p for p in (durable, held) if p is not None), default=None)
            for batch in batches:
                sink.write(batch.after(durable) if durable else batch)
            while durable is None or durable < batches[-1].last:
                progress = sink.flush(FLUSH_S)
                refused += progress.rejections
                durable = max((p for p in (durable, progress.durable) if p), default=None)
        except Transient as error:
            print(f"attempt {attempt}: {error}")
            sink.close()
        else:
            return refused, attempt
    raise AssertionError("the sink never recovered")


def held(messages: Sequence[Message]) -> list[Position]:
    events = [json.loads(message.value()) for message in messages]
    return [Position(event["commit_lsn"], event["ordinal"]) for event in events]


# Topics


def test_a_topic_that_was_never_there_stops_the_bridge(make_sink: MakeSink) -> None:
    with pytest.raises(EnvironmentProblem, match="no topic 'not-there'"):
        make_sink(topic="not-there").open(FEED)


def test_a_topic_is_made_as_the_settings_say(
    kafka: Kafka, make_sink: MakeSink, new_topic: NewTopic
) -> None:
    name = new_topic()
    creation = TopicCreation(partitions=4, config={"cleanup.policy": "compact"})
    deliver(make_sink(topic=name, create_topics=creation), many_transactions(3))
    assert kafka.topics.partitions(name) == [0, 1, 2, 3]
    assert len(kafka.topics.read(name)) == 9


def test_a_topic_that_cannot_be_made_so_stops_the_bridge(
    make_sink: MakeSink, new_topic: NewTopic
) -> None:
    sink = make_sink(topic=new_topic(), create_topics=TopicCreation(replication_factor=5))
    with pytest.raises(EnvironmentProblem, match="eplication"):
        sink.open(FEED)


def test_each_table_may_have_its_topic_with_a_name_that_is_allowed(
    kafka: Kafka, make_sink: MakeSink, new_topic: NewTopic
) -> None:
    prefix = new_topic()
    sink = make_sink(topic=prefix + ".{schema}.{table}", create_topics=TopicCreation())
    odd = make_relation({"id": "int8", "name": "text"}, key=["id"], table='größe "x"')
    deliver(
        sink,
        [EventBatch([make_event(0x10, 0), make_event(0x10, 1, row=("1", "a"), relation=odd)])],
    )
    assert len(kafka.topics.read(f"{prefix}.public.users")) == 1
    assert len(kafka.topics.read(f"{prefix}.public.gr__e__x_")) == 1


def test_a_topic_that_appears_later_is_waited_for(
    kafka: Kafka, make_sink: MakeSink, new_topic: NewTopic
) -> None:
    name = new_topic()
    sink = make_sink(topic=name + ".{table}")
    sink.open(FEED)
    with pytest.raises(Transient, match="set create_topics"):
        sink.write(whole_transaction(0x10, 1))
    sink.close()
    kafka.topics.create(f"{name}.users")
    deliver(sink, [whole_transaction(0x10, 1)])
    assert len(kafka.topics.read(f"{name}.users")) == 1


def test_brokers_that_make_topics_by_themselves_are_given_the_time(
    private_kafka: PrivateKafkaFactory,
) -> None:
    cluster = private_kafka(settings={"auto.create.topics.enable": "true"})
    for template, topic in (("fixed", "fixed"), ("{schema}.{table}", "public.users")):
        sink = KafkaSink(KafkaConfig(brokers=cluster.bootstrap, topic=template))
        _, reopened = deliver(sink, [whole_transaction(0x10, 1)])
        sink.close()
        assert reopened == 0
        assert len(Topics(cluster.bootstrap).read(topic)) == 1


# Messages


def test_a_message_has_key_headers_and_body(kafka: Kafka, make_sink: MakeSink, topic: str) -> None:
    event = make_event(0x16B374D848, 3, row=("42", "Ada"))
    deliver(make_sink(), [EventBatch([event])])
    (message,) = kafka.topics.read(topic)
    assert message.key() == b"42"
    assert json.loads(message.value())["new_values"] == {"id": 42, "name": "Ada"}
    assert headers(message)["event_id"] == event.event_id
    assert headers(message)["position"] == "16/B374D848:3"


@pytest.mark.parametrize("compression", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_every_compression_arrives(
    compression: str, kafka: Kafka, make_sink: MakeSink, topic: str
) -> None:
    batches = many_transactions(5)
    deliver(make_sink(compression=compression, headers=False), batches)
    messages = kafka.topics.read(topic)
    assert held(messages) == positions(batches)
    assert not any(message.headers() for message in messages)


def test_the_same_key_goes_where_the_java_client_sends_it(
    kafka: Kafka, make_sink: MakeSink, new_topic: NewTopic
) -> None:
    name = new_topic()
    kafka.topics.create(name, partitions=7)
    events = [make_event(0x10, i, row=(str(i), "x")) for i in range(50)]
    deliver(make_sink(topic=name), [EventBatch(events)])
    for message in kafka.topics.read(name):
        key = message.key()
        assert key is not None
        assert message.partition() == (murmur2(key) & 0x7FFFFFFF) % 7


def murmur2(data: bytes) -> int:
    """Return the hash that Kafka's default partitioner takes."""
    m, mask = 0x5BD1E995, 0xFFFFFFFF
    h = 0x9747B28C ^ len(data)
    whole = len(data) // 4 * 4
    for i in range(0, whole, 4):
        k = int.from_bytes(data[i : i + 4], "little") * m & mask
        k = (k ^ k >> 24) * m & mask
        h = (h * m & mask) ^ k
    if rest := data[whole:]:
        h = (h ^ int.from_bytes(rest, "little")) * m & mask
    h = (h ^ h >> 13) * m & mask
    return h ^ h >> 15


def delete(lsn: int, key: str) -> CdcEvent:
    return make_event(lsn, 0, old=(key, None), operation=Operation.DELETE)


def change_key(lsn: int, before: str, after: str) -> CdcEvent:
    return make_event(lsn, 0, row=(after, "Ada"), old=(before, None), operation=Operation.UPDATE)


def test_a_delete_leaves_a_tombstone_on_demand(
    kafka: Kafka, make_sink: MakeSink, topic: str
) -> None:
    deliver(make_sink(tombstones=True), [EventBatch([delete(0x10, "7")])])
    first, second = kafka.topics.read(topic)
    assert first.key() == second.key() == b"7"
    assert json.loads(first.value())["operation"] == "Delete"
    assert second.value() is None


def test_without_tombstones_one_event_is_one_message(
    kafka: Kafka, make_sink: MakeSink, topic: str
) -> None:
    deliver(make_sink(), [EventBatch([delete(0x10, "7"), change_key(0x20, "8", "9")])])
    assert [message.key() for message in kafka.topics.read(topic)] == [b"7", b"9"]


def test_in_the_format_debezium_a_changed_key_is_a_delete_and_an_insert(
    kafka: Kafka, make_sink: MakeSink, topic: str
) -> None:
    deliver(make_sink(format="debezium"), [EventBatch([change_key(0x10, "8", "9")])])
    messages = kafka.topics.read(topic)
    bodies = [None if m.value() is None else json.loads(m.value())["op"] for m in messages]
    assert bodies == ["d", None, "c"]
    old, tombstone, new = messages
    assert json.loads(old.key()) == json.loads(tombstone.key()) == {"id": 8}
    assert json.loads(new.key()) == {"id": 9}
    assert json.loads(headers(old)["__debezium.newkey"]) == {"id": 9}
    assert json.loads(headers(new)["__debezium.oldkey"]) == {"id": 8}


def test_rules_choose_the_topic(kafka: Kafka, make_sink: MakeSink, new_topic: NewTopic) -> None:
    name = new_topic()
    rule = Route(where="new.id >= 2", to=name + "-large")
    sink = make_sink(topic=name, routes=(rule,), create_topics=TopicCreation())
    deliver(sink, [whole_transaction(0x10, 4)])
    assert len(kafka.topics.read(name)) == len(kafka.topics.read(f"{name}-large")) == 2


OUTBOX = make_relation(
    {
        "id": "uuid",
        "aggregatetype": "text",
        "aggregateid": "text",
        "type": "text",
        "payload": "jsonb",
    },
    key=["id"],
    table="outbox",
)
ORDER = ("11111111-2222-4333-8444-555555555555", "order", "42", "OrderPlaced", '{"total": 10}')


def test_rows_of_an_outbox_become_messages(
    kafka: Kafka, make_sink: MakeSink, new_topic: NewTopic
) -> None:
    prefix = new_topic()
    sink = make_sink(
        topic="outbox",
        outbox=OutboxConfig(topic=prefix + ".{aggregate_type}"),
        create_topics=TopicCreation(),
    )
    empty = (*ORDER[:1], None, *ORDER[2:])
    events = [
        make_event(0x10, 0, row=ORDER, relation=OUTBOX),
        make_event(0x10, 1, old=ORDER, operation=Operation.DELETE, relation=OUTBOX),
        make_event(0x10, 2, row=empty, relation=OUTBOX),
        make_event(0x10, 3),  # of a table that is no outbox
        make_event(0x10, 4, row=(*ORDER[:4], None), relation=OUTBOX),
    ]
    refused, _ = deliver(sink, [EventBatch(events)])
    assert [rejection.position.ordinal for rejection in refused] == [2, 3]
    assert "'aggregatetype'" in refused[0].reason
    assert "public.users is no outbox" in refused[1].reason
    first, second = kafka.topics.read(f"{prefix}.order")
    assert (first.key(), first.value()) == (b"42", b'{"total": 10}')
    assert headers(first)["id"] == ORDER[0]
    assert headers(first)["eventType"] == "OrderPlaced"
    assert second.value() is None


# Refusals


@BOTH
def test_a_message_that_is_too_large_is_refused_with_its_size(
    delivery: str, kafka: Kafka, make_sink: MakeSink, topic: str
) -> None:
    events = [make_event(0x10, i, row=(str(i), "x" * (5_000 if i == 2 else 10))) for i in range(5)]
    refused, reopened = deliver(
        make_sink(delivery=delivery, max_message_bytes=4_000), [EventBatch(events)]
    )
    assert [rejection.position.ordinal for rejection in refused] == [2]
    assert "larger than max_message_bytes, 4000" in refused[0].reason
    assert "xxx" not in refused[0].reason
    assert reopened == 0
    assert [p.ordinal for p in held(kafka.topics.read(topic))] == [0, 1, 3, 4]


@BOTH
def test_what_the_brokers_refuse_is_found_and_the_others_arrive(
    delivery: str, kafka: Kafka, make_sink: MakeSink, new_topic: NewTopic
) -> None:
    name = new_topic()
    kafka.topics.create(name, config={"max.message.bytes": "20000"})
    large = (3, 40, 41)
    rows = [(str(i), "x" * (30_000 if i in large else 10)) for i in range(60)]
    events = [make_event(0x10, i, row=row) for i, row in enumerate(rows)]
    refused, reopened = deliver(
        make_sink(topic=name, delivery=delivery, compression="none"), [EventBatch(events)]
    )
    print(f"reopened {reopened} times")
    assert [rejection.position.ordinal for rejection in refused] == [*large]
    assert all("too large" in rejection.reason for rejection in refused)
    found = [p.ordinal for p in held(kafka.topics.read(name))]
    assert [*dict.fromkeys(found)] == [i for i in range(60) if i not in large]
    assert delivery == "at_least_once" or len(found) == len(set(found))


@BOTH
def test_batches_become_smaller_where_a_topic_takes_no_large_ones(
    delivery: str, kafka: Kafka, make_sink: MakeSink, new_topic: NewTopic
) -> None:
    name = new_topic()
    kafka.topics.create(name, config={"max.message.bytes": "10000"})
    batches = [whole_transaction(0x1000 * i, 100) for i in range(1, 16)]
    sink = make_sink(topic=name, delivery=delivery, compression="none")
    for part in (batches[:5], batches[5:10], batches[10:]):
        refused, reopened = deliver(sink, part)
        print(f"reopened {reopened} times")
        assert refused == []
    found = held(kafka.topics.read(name))
    assert [*dict.fromkeys(found)] == positions(batches)


# Transactions


def test_the_position_does_not_pass_a_refused_event_before_that_is_reported(
    kafka: Kafka, make_sink: MakeSink, topic: str
) -> None:
    settings = {"delivery": "exactly_once", "max_message_bytes": 4_000}
    events = [make_event(0x10, i, row=(str(i), "x" * (5_000 if i == 1 else 10))) for i in range(4)]
    sink = make_sink(**settings)
    sink.open(FEED)
    sink.write(EventBatch(events))
    progress = sink.flush(FLUSH_S)
    assert progress.durable == Position(0x10, 1)
    assert [rejection.position for rejection in progress.rejections] == [Position(0x10, 1)]
    sink.close()  # before the event was put aside
    again = make_sink(**settings)
    assert again.open(FEED) == Position(0x10, 0)
    again.write(EventBatch(events[1:]))
    assert len(again.flush(FLUSH_S).rejections) == 1
    assert again.flush(FLUSH_S).durable == Position(0x10, 3)
    again.close()
    assert make_sink(**settings).open(FEED) == Position(0x10, 3)
    assert [p.ordinal for p in held(kafka.topics.read(topic))] == [0, 2, 3]


def test_a_zombie_is_fenced_and_goes_on_behind_its_successor(
    kafka: Kafka, make_sink: MakeSink, topic: str
) -> None:
    batches = many_transactions(4)
    zombie = make_sink(delivery="exactly_once", commit_interval_ms=20_000)
    zombie.open(FEED)
    zombie.write(batches[0])  # in a transaction that stays open
    successor = make_sink(delivery="exactly_once")
    assert successor.open(FEED) is None
    for batch in batches[:3]:
        successor.write(batch)
    assert successor.flush(FLUSH_S).durable == batches[2].last
    with pytest.raises(Transient, match="transactional_id"):
        zombie.flush(FLUSH_S)
    zombie.close()
    assert zombie.open(FEED) == batches[2].last
    zombie.write(batches[3])
    assert zombie.flush(FLUSH_S).durable == batches[3].last
    assert held(kafka.topics.read(topic)) == positions(batches)


def test_a_replay_does_not_move_the_position_back(
    kafka: Kafka, make_sink: MakeSink, topic: str
) -> None:
    batches = many_transactions(5)
    deliver(make_sink(delivery="exactly_once"), batches)
    replay = make_sink(delivery="exactly_once")
    assert replay.open(FEED) == batches[-1].last
    replay.write(batches[1])
    assert replay.flush(FLUSH_S).durable == batches[1].last
    replay.close()
    assert make_sink(delivery="exactly_once").open(FEED) == batches[-1].last
    assert held(kafka.topics.read(topic)) == positions([*batches, batches[1]])


def test_nothing_of_an_open_transaction_is_seen(
    kafka: Kafka, make_sink: MakeSink, topic: str
) -> None:
    sink = make_sink(delivery="exactly_once", commit_interval_ms=20_000)
    sink.open(FEED)
    sink.write(whole_transaction(0x10, 100))
    assert sink.poll().durable is None
    assert kafka.topics.read(topic) == []
    sink.close()
    assert kafka.topics.read(topic) == []
    assert make_sink(delivery="exactly_once").open(FEED) is None


def test_each_sink_has_a_position_of_its_own(kafka: Kafka, make_sink: MakeSink, topic: str) -> None:
    batches = many_transactions(3)
    feeds = [Feed(FEED.source, slot, name) for slot in ("one", "two") for name in ("a", "b")]
    for feed, batch in zip(feeds, batches, strict=False):
        deliver(make_sink(delivery="exactly_once", transactional_id=None), [batch], feed)
    found = []
    for feed in feeds:
        sink = make_sink(delivery="exactly_once", transactional_id=None)
        found.append(sink.open(feed))
    assert found == [*(batch.last for batch in batches), None]


def test_another_sink_s_open_transaction_does_not_hide_the_position(
    kafka: Kafka, make_sink: MakeSink, topic: str
) -> None:
    first, second = many_transactions(2)
    sink = make_sink(delivery="exactly_once")
    deliver(sink, [first])
    other = Producer(
        {
            "bootstrap.servers": kafka.bootstrap,
            "transactional.id": f"{topic}-other",
            "transaction.timeout.ms": 3_000,
            "log_level": 0,
        }
    )
    other.init_transactions(10)
    other.begin_transaction()
    other.produce(f"{topic}-positions", "{}", "other", partition=0)
    other.flush(10)
    sink.write(second)
    assert sink.flush(FLUSH_S).durable == second.last
    sink.close()
    assert make_sink(delivery="exactly_once").open(FEED) == second.last


def test_a_topic_of_positions_that_holds_something_else_stops_the_bridge(
    kafka: Kafka, make_sink: MakeSink, topic: str
) -> None:
    kafka.topics.create(f"{topic}-positions")
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "log_level": 0})
    producer.produce(f"{topic}-positions", "what is this", position_key(FEED), partition=0)
    producer.flush(10)
    with pytest.raises(EnvironmentProblem, match="something else"):
        make_sink(delivery="exactly_once").open(FEED)


@BOTH
def test_a_logical_message_has_its_prefix_as_key(
    delivery: str, kafka: Kafka, make_sink: MakeSink, topic: str
) -> None:
    deliver(make_sink(delivery=delivery), [EventBatch([make_message(0x10)])])
    (message,) = kafka.topics.read(topic)
    assert message.key() == b"audit"


# In a program


@BOTH
def test_a_program_delivers_one_event_after_the_other(
    delivery: Any, kafka: Kafka, topic: str
) -> None:
    config = KafkaConfig(
        brokers=kafka.bootstrap,
        topic=topic,
        delivery=delivery,
        max_message_bytes=4_000,
        positions_topic=f"{topic}-positions",
    )
    events = [make_event(0x10, i) for i in range(3)]
    with KafkaCdcConsumer(config, name=topic) as consumer:
        for event in events:
            consumer.process_event(event)
            assert held(kafka.topics.read(topic))[-1] == event.position
        with pytest.raises(EventRejected, match="max_message_bytes"):
            consumer.process_event(make_event(0x20, 0, row=("1", "x" * 5_000)))
        consumer.process_event(make_event(0x30, 0))
    assert held(kafka.topics.read(topic)) == [*(e.position for e in events), Position(0x30, 0)]


# Addresses


def test_an_address_where_nobody_answers_is_retried(make_sink: MakeSink) -> None:
    sink = make_sink(brokers="127.0.0.1:1")
    with pytest.raises(Transient, match=r"127\.0\.0\.1:1 .*refused"):
        sink.open(FEED)
