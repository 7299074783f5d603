"""The sink on a real broker: what a message carries, where it goes, what cannot be delivered."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from bridge.core.errors import BridgeError, EnvironmentProblem, EventRejected, Transient
from bridge.core.events import EventBatch, Operation, Position, TruncateEvent
from sinks.base import Progress
from sinks.rabbitmq.config import QueueConfig, RabbitMqConfig, TlsConfig
from sinks.rabbitmq.sink import RabbitMqCdcConsumer, RabbitMqSink
from sinks.rabbitmq.url import AmqpUrl
from sinks.routing import Route
from tests.fixtures.events import (
    FEED,
    TIMESTAMP,
    USERS,
    make_batch,
    make_event,
    make_message,
    make_relation,
    make_transaction,
    many_transactions,
    positions,
    whole_transaction,
)
from tests.fixtures.rabbitmq.broker import Broker, Message, Queue
from tests.fixtures.rabbitmq.node import MAX_MESSAGE_BYTES, RabbitMqNode
from tests.fixtures.waiting import eventually

FLUSH_S = 30.0

MakeSink = Callable[..., RabbitMqSink]


@pytest.fixture
def exchange(rabbitmq: Broker) -> str:
    return rabbitmq.new_exchange()


@pytest.fixture
def make_sink(rabbitmq: Broker, exchange: str) -> Iterator[MakeSink]:
    """Return a function that makes a sink with these settings; it is closed after the test."""
    made: list[RabbitMqSink] = []

    def make(**settings: Any) -> RabbitMqSink:
        url = AmqpUrl(settings.pop("url", rabbitmq.url))
        sink = RabbitMqSink(RabbitMqConfig(**{"url": url, "exchange": exchange, **settings}))
        made.append(sink)
        return sink

    yield make
    for sink in made:
        sink.close()


def deliver(sink: RabbitMqSink, *batches: EventBatch) -> Progress:
    sink.open(FEED)
    for batch in batches:
        sink.write(batch)
    return sink.flush(FLUSH_S)


def ids(messages: list[Message]) -> list[str]:
    return [message.properties.message_id for message in messages]


# What a message carries


def test_a_message_names_its_event_in_properties_and_headers(
    rabbitmq: Broker, exchange: str, make_sink: MakeSink
) -> None:
    queue = rabbitmq.new_queue(exchange)
    event = make_event(0x16B374D848, 3)
    deliver(make_sink(app_id="shop"), EventBatch([event]))
    (message,) = queue.read()
    properties = message.properties
    assert message.routing_key == "cdc.users.insert"
    assert json.loads(message.body)["event_id"] == event.event_id
    assert properties.message_id == event.event_id
    assert properties.content_type == "application/json"
    assert properties.delivery_mode == 2
    assert properties.timestamp == TIMESTAMP // 1_000_000
    assert properties.app_id == "shop"
    headers = properties.headers
    assert headers["event_id"] == event.event_id
    assert headers["position"] == "16/B374D848:3"
    assert headers["transaction_id"] == event.transaction_id
    assert headers["operation"] == "Insert"
    assert (headers["schema"], headers["table"]) == ("public", "users")
    assert len(headers["schema_version"]) == 8
    assert headers["traceparent"].startswith("00-")
    assert len(headers) == 8


def test_messages_need_not_be_persistent(
    rabbitmq: Broker, exchange: str, make_sink: MakeSink
) -> None:
    queue = rabbitmq.new_queue(exchange)
    deliver(make_sink(persistent=False), whole_transaction(0x1000, 1))
    assert [m.properties.delivery_mode for m in queue.read()] == [1]


def test_a_body_of_many_frames_arrives_whole(
    rabbitmq: Broker, exchange: str, make_sink: MakeSink
) -> None:
    queue = rabbitmq.new_queue(exchange)
    sizes = [0, 1, 4_087, 4_088, 4_089, 500_000]
    batch = make_batch(*((0x1000, n) for n in range(len(sizes))), names=["é" * n for n in sizes])
    deliver(make_sink(options={"frame_max": 4_096}), batch)
    names = [json.loads(message.body)["new_values"]["name"] for message in queue.read()]
    assert [len(name) for name in names] == sizes


def test_another_format_and_template_are_used(
    rabbitmq: Broker, exchange: str, make_sink: MakeSink
) -> None:
    queue = rabbitmq.new_queue(exchange, binding="{shop}.bridge.#")
    relation = make_relation({"id": "int8"}, key=["id"], schema="sales", table="größe")
    event = make_event(row=("1",), relation=relation, operation=Operation.READ)
    template = "{{{database}}}.{slot}.{schema}.{table}.{operation}"
    deliver(make_sink(routing_key=template), EventBatch([event, make_message(0x2000)]))
    assert [message.routing_key for message in queue.read()] == [
        "{shop}.bridge.sales.größe.read",
        "{shop}.bridge.pg_logical.message.message",
    ]


def test_routes_choose_the_routing_key_and_events_without_a_value_are_rejected(
    rabbitmq: Broker, exchange: str, make_sink: MakeSink
) -> None:
    queue = rabbitmq.new_queue(exchange)
    routes = (Route(tables=("public.users",), where="10 / new.id > 4", to="small.{table}"),)
    batch = EventBatch([make_event(0x1000, n, row=(str(n), "x")) for n in (2, 9)])
    nothing = EventBatch([make_event(0x2000, row=("0", "x"))])
    progress = deliver(make_sink(routes=routes), batch, nothing)
    assert [message.routing_key for message in queue.read()] == ["small.users", "cdc.users.insert"]
    assert [rejection.position for rejection in progress.rejections] == [Position(0x2000, 0)]


# Exchanges and queues


@pytest.mark.parametrize("kind", ["direct", "topic", "fanout", "headers"])
def test_every_type_of_exchange_is_declared_and_used(
    kind: str, rabbitmq: Broker, exchange: str, make_sink: MakeSink
) -> None:
    name = f"{exchange}-{kind}"
    sink = make_sink(exchange=name, exchange_type=kind)
    sink.open(FEED)
    binding = {"direct": "cdc.users.insert", "topic": "cdc.users.*"}.get(kind, "")
    headers = {"x-match": "all", "table": "users", "operation": "Insert"}
    queue = rabbitmq.new_queue(name, binding=binding, headers=headers if kind == "headers" else {})
    batch = whole_transaction(0x1000, 3)
    sink.write(batch)
    assert sink.flush(FLUSH_S).durable == batch.last
    assert ids(queue.read()) == [event.event_id for event in batch.events]
    rabbitmq.delete_exchange(name)


@pytest.mark.parametrize("kind", ["classic", "quorum", "stream"])
def test_a_queue_is_declared_and_bound(
    kind: Any, rabbitmq: Broker, exchange: str, make_sink: MakeSink
) -> None:
    queue = Queue(rabbitmq, f"{exchange}-{kind}", kind)
    config = QueueConfig(name=queue.name, type=kind, bind=("cdc.users.*", "cdc.orders.*"))
    batch = whole_transaction(0x1000, 3)
    assert deliver(make_sink(queue=config), batch).durable == batch.last
    assert ids(queue.read()) == [event.event_id for event in batch.events]
    deliver(make_sink(queue=config), whole_transaction(0x2000, 1))  # it is there already
    deliver(make_sink(queue=config, declare=False), whole_transaction(0x3000, 1))
    assert len(queue.read()) == 5
    queue.delete()


def test_the_default_exchange_leads_to_the_queue_of_that_name(
    rabbitmq: Broker, exchange: str, make_sink: MakeSink
) -> None:
    queue = rabbitmq.new_queue(exchange)
    batch = whole_transaction(0x1000, 2)
    assert deliver(make_sink(exchange="", routing_key=queue.name), batch).durable == batch.last
    assert len(queue.read()) == 2


def failure_of(act: Callable[[], object]) -> BridgeError:
    with pytest.raises(BridgeError) as raised:
        act()
    return raised.value


def test_what_is_missing_or_different_stops_the_bridge_at_its_start(
    rabbitmq: Broker, exchange: str, make_sink: MakeSink
) -> None:
    def opening(**settings: Any) -> Callable[[], object]:
        return lambda: make_sink(**settings).open(FEED)

    missing = failure_of(opening(exchange="no-such", declare=False))
    assert type(missing) is EnvironmentProblem
    assert "no exchange 'no-such'" in missing.message
    assert "declare to true" in missing.remedy

    different = failure_of(opening(exchange_type="fanout"))
    assert type(different) is EnvironmentProblem
    assert "inequivalent arg 'type'" in different.message
    assert exchange in different.message

    no_queue = failure_of(opening(queue=QueueConfig(name="no-such"), declare=False))
    assert type(no_queue) is EnvironmentProblem
    assert "no queue 'no-such'" in no_queue.message

    classic = rabbitmq.new_queue(exchange)
    other_queue = failure_of(opening(queue=QueueConfig(name=classic.name, type="quorum")))
    assert type(other_queue) is EnvironmentProblem
    assert "x-queue-type" in other_queue.message


# What cannot be delivered


def test_what_no_queue_gets_is_never_durable_and_what_comes_before_it_is(
    rabbitmq: Broker, exchange: str, make_sink: MakeSink
) -> None:
    queue = rabbitmq.new_queue(exchange, binding="cdc.users.insert")
    before, after = whole_transaction(0x1000, 50), whole_transaction(0x3000, 50)
    refused = EventBatch([make_event(0x2000, operation=Operation.UPDATE)])
    sink = make_sink()
    sink.open(FEED)
    for batch in (before, refused, after):
        sink.write(batch)
    error = failure_of(lambda: eventually(lambda: sink.poll().durable == after.last, message="x"))
    assert isinstance(error, Transient)
    assert f"{exchange!r} has no queue for the Update of public.users" in error.message
    assert sink._durable == before.last

    # Until it gets through, it is asked about alone.
    sink.close()
    arrived = len(queue.read())
    for _ in range(3):
        sink.open(FEED)
        sink.write(refused)
        sink.write(after)
        assert isinstance(failure_of(lambda: sink.flush(FLUSH_S)), Transient)
        sink.close()
    assert len(queue.read()) == arrived
    rabbitmq.bind(queue, exchange, "cdc.users.update")
    assert deliver(sink, refused, after).durable == after.last
    got = ids(queue.read())
    assert set(got) == {e.event_id for batch in (before, refused, after) for e in batch.events}


def test_what_a_full_queue_refuses_is_not_durable(
    rabbitmq: Broker, exchange: str, make_sink: MakeSink
) -> None:
    full = {"x-max-length": 10, "x-overflow": "reject-publish"}
    queue = rabbitmq.new_queue(exchange, arguments=full)
    batch = whole_transaction(0x1000, 30)
    sink = make_sink(max_in_flight=1)
    error = failure_of(lambda: deliver(sink, batch))
    assert isinstance(error, Transient)
    assert "refuses the Insert of public.users at 0/1000:10" in error.message
    assert len(queue.read()) == 10


def test_an_event_too_large_for_the_setting_is_rejected_and_the_others_arrive(
    rabbitmq: Broker, exchange: str, make_sink: MakeSink
) -> None:
    queue = rabbitmq.new_queue(exchange)
    batch = make_batch(*((0x1000, n) for n in range(4)), names=["a", "b" * 5_000, "c", "d" * 9_000])
    progress = deliver(make_sink(max_message_bytes=4_000), batch)
    assert [r.position for r in progress.rejections] == [Position(0x1000, 1), Position(0x1000, 3)]
    assert "the largest that is accepted has 4000" in progress.rejections[0].reason
    assert progress.durable == batch.last
    assert len(queue.read()) == 2


def test_an_event_too_large_for_the_broker_is_rejected_when_it_has_said_so(
    rabbitmq: Broker, exchange: str, make_sink: MakeSink, rabbitmq_node: RabbitMqNode
) -> None:
    queue = rabbitmq.new_queue(exchange)
    large = "x" * (MAX_MESSAGE_BYTES + 1)
    batch = make_batch(*((0x1000, n) for n in range(3)), names=["a", large, "c"])
    sink = make_sink()
    assert isinstance(failure_of(lambda: deliver(sink, batch)), Transient)
    sink.close()
    progress = deliver(sink, batch)
    assert [rejection.position for rejection in progress.rejections] == [Position(0x1000, 1)]
    assert progress.durable == batch.last
    names = [json.loads(message.body)["new_values"]["name"] for message in queue.read()]
    assert [*dict.fromkeys(names)] == ["a", "c"]


def test_a_routing_key_too_long_for_amqp_is_rejected(
    rabbitmq: Broker, exchange: str, make_sink: MakeSink
) -> None:
    rabbitmq.new_queue(exchange)
    relation = make_relation({"id": "int8"}, key=["id"], table="t" * 63)
    long = EventBatch([make_event(row=("1",), relation=relation)])
    progress = deliver(make_sink(routing_key="{table}." * 4), long)
    assert progress.rejections[0].reason == "The routing key has 256 bytes; AMQP allows 255."


# Connections


def test_events_of_one_key_keep_their_order_over_several_connections(
    rabbitmq: Broker, exchange: str, make_sink: MakeSink, rabbitmq_node: RabbitMqNode
) -> None:
    queue = rabbitmq.new_queue(exchange)
    batches = many_transactions(200, 20)  # the ordinal is the key
    sink = make_sink(connections=4, max_in_flight=500)
    assert deliver(sink, *batches).durable == batches[-1].last
    names = rabbitmq_node.control("list_connections", "client_properties")
    assert names.count("pgbridge bridge sink") == 4
    arrived: dict[str, list[int]] = {}
    for message in queue.read():
        event = json.loads(message.body)
        arrived.setdefault(event["row_id"], []).append(event["commit_lsn"])
    assert sum(map(len, arrived.values())) == len(positions(batches))
    assert all(lsns == sorted(lsns) for lsns in arrived.values())


def test_what_belongs_to_several_keys_neither_overtakes_nor_is_overtaken(
    rabbitmq: Broker, exchange: str, make_sink: MakeSink
) -> None:
    queue = rabbitmq.new_queue(exchange)
    batches = []
    for lsn in range(0x1000, 0x4000, 0x100):
        batches.append(whole_transaction(lsn, 20))
        moved = make_event(lsn + 0x40, row=("7", "x"), old=("8", None), operation=Operation.UPDATE)
        batches.append(EventBatch([moved]))
        truncated = TruncateEvent.of(make_transaction(lsn + 0x80), 0, lsn + 0x80, USERS, ())
        batches.append(EventBatch([truncated]))
    assert deliver(make_sink(connections=4), *batches).durable == batches[-1].last
    arrived = [json.loads(message.body) for message in queue.read()]
    order = [event["commit_lsn"] for event in arrived]
    assert order == sorted(order)
    assert len(order) == len(positions(batches))


def test_no_more_is_in_flight_than_allowed(
    rabbitmq: Broker, exchange: str, make_sink: MakeSink, rabbitmq_node: RabbitMqNode
) -> None:
    rabbitmq.new_queue(exchange)
    sink = make_sink(max_in_flight=100)
    sink.open(FEED)
    rabbitmq_node.raise_memory_alarm()
    batches = many_transactions(100, 50)
    for batch in batches:
        sink.write(batch)  # returns, whatever the broker does
        sink.poll()
    eventually(lambda: sink.blocked, message="the broker blocks")
    assert "memory" in (sink.blocked or "")
    assert len(sink._open) == 100
    assert sink.flush(1.0).durable is None
    rabbitmq_node.clear_memory_alarm()
    assert sink.flush(FLUSH_S).durable == batches[-1].last
    assert sink.blocked is None


def test_a_connection_may_be_replaced_when_it_is_blocked_for_long(
    rabbitmq: Broker, exchange: str, make_sink: MakeSink, rabbitmq_node: RabbitMqNode
) -> None:
    rabbitmq.new_queue(exchange)
    sink = make_sink(blocked_timeout_seconds=1)
    rabbitmq_node.raise_memory_alarm()
    error = failure_of(lambda: deliver(sink, whole_transaction(0x1000, 1)))
    assert isinstance(error, Transient)
    assert "blocked_timeout_seconds" in error.message


def test_a_broker_that_falls_silent_is_given_up(
    rabbitmq: Broker, exchange: str, make_sink: MakeSink, rabbitmq_node: RabbitMqNode
) -> None:
    rabbitmq.new_queue(exchange)
    sink = make_sink(heartbeat_seconds=1)
    sink.open(FEED)
    rabbitmq_node.freeze()
    sink.write(whole_transaction(0x1000, 1))
    error = failure_of(lambda: sink.flush(FLUSH_S))
    assert isinstance(error, Transient)
    assert "heartbeat_seconds" in error.message
    rabbitmq_node.thaw()


def test_tls_is_spoken_and_the_certificate_verified(
    rabbitmq: Broker, exchange: str, make_sink: MakeSink, rabbitmq_node: RabbitMqNode
) -> None:
    if rabbitmq_node.tls_port is None:
        pytest.skip("openssl, which makes the certificate, is not installed")
    queue = rabbitmq.new_queue(exchange)
    url = rabbitmq_node.tls_url()
    tls = TlsConfig(ca_file=str(rabbitmq_node.certificate))
    deliver(make_sink(url=url, tls=tls), whole_transaction(0x1000, 3))
    assert len(queue.read()) == 3

    unknown = failure_of(lambda: make_sink(url=url).open(FEED))
    assert type(unknown) is EnvironmentProblem
    assert "certificate" in unknown.message
    assert "tls.ca_file" in unknown.remedy

    other_name = rabbitmq_node.tls_url("127.0.0.1")
    wrong = failure_of(lambda: make_sink(url=other_name, tls=tls).open(FEED))
    assert type(wrong) is EnvironmentProblem
    assert "127.0.0.1" in wrong.message

    plain = f"amqps://localhost:{rabbitmq_node.port}"
    assert isinstance(failure_of(lambda: make_sink(url=plain, tls=tls).open(FEED)), BridgeError)


# Single events


def test_single_events_are_delivered_by_the_consumer(rabbitmq: Broker, exchange: str) -> None:
    queue = rabbitmq.new_queue(exchange)
    events = [make_event(0x1000), make_event(0x2000), make_event(0x1000)]
    config = RabbitMqConfig(url=AmqpUrl(rabbitmq.url), exchange=exchange, max_message_bytes=1_024)
    with RabbitMqCdcConsumer(config) as consumer:
        for event in events:
            consumer.process_event(event)
            assert ids(queue.read())[-1] == event.event_id
        with pytest.raises(EventRejected):
            consumer.process_event(make_event(0x3000, row=("1", "x" * 2_000)))
    assert len(queue.read()) == 3
