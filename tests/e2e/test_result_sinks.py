"""Results of a running bridge in other sinks than files: exactly once in Kafka, each queue of
RabbitMQ by its routing key, and what a receiver refuses."""

from __future__ import annotations

import json
import random
import uuid
from collections import defaultdict
from itertools import pairwise
from typing import Any

import pytest

from tests.e2e.conftest import MakeBridge
from tests.e2e.test_processors import live
from tests.fixtures.databases import Database
from tests.fixtures.delivered import Event
from tests.fixtures.kafka.fixtures import Kafka
from tests.fixtures.orders import (
    PAID,
    PAID_ORDERS,
    PUBLISHED,
    REVENUE,
    Shoppers,
    create_tables,
    expected_answers,
    told_answers,
)
from tests.fixtures.rabbitmq.broker import Broker
from tests.fixtures.webhook_receiver import WebhookReceiver

_CATCH_UP_S = 60.0


@pytest.mark.parametrize(
    "kills", [2, pytest.param(40, marks=[pytest.mark.nightly, pytest.mark.timeout(900)])]
)
def test_kafka_has_every_result_exactly_once_and_those_of_a_key_in_order(
    kills: int, newest_database: Database, make_bridge: MakeBridge, kafka: Kafka
) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    choose = random.Random(seed)
    connection = newest_database.connect()
    create_tables(connection)
    name = f"results-{uuid.uuid4().hex[:12]}"
    topics = [f"{name}.{processor['name']}" for processor in (REVENUE, PAID, PAID_ORDERS)]
    for topic in topics:
        kafka.topics.create(topic, partitions=3)
    bridge = make_bridge(
        newest_database.dsn,
        tables=PUBLISHED,
        source={"snapshot": "initial"},
        sinks=[
            {
                "type": "kafka",
                "name": "results",
                "brokers": kafka.bootstrap,
                "topic": f"{name}.{{table}}",
                "delivery": "exactly_once",
                "positions_topic": f"{name}-positions",
            }
        ],
        processors=[REVENUE, PAID, PAID_ORDERS],
    )
    bridge.start().wait_until_logged("stream_started", timeout=30)
    with Shoppers(newest_database.dsn, seed=seed):
        for _ in range(kills):
            live(bridge, choose)
            bridge.start()
        bridge.wait_until_logged("stream_started", timeout=60)

    def told() -> list[Event]:
        return [json.loads(message.value()) for message in kafka.topics.read(*topics)]

    expected = expected_answers(connection)
    bridge.until(lambda: told_answers(told()) == expected, "all results are there", _CATCH_UP_S)
    assert bridge.terminate() == 0
    results = told()
    assert len({result["event_id"] for result in results}) == len(results)
    of_keys: dict[tuple[Any, ...], list[str]] = defaultdict(list)
    for message in kafka.topics.read(*topics):
        result = json.loads(message.value())
        assert dict(message.headers())["event_id"].decode() == result["event_id"]
        of_keys[message.topic(), message.key()].append(result["delivery_id"])
    assert all(a < b for places in of_keys.values() for a, b in pairwise(places))


def test_rabbitmq_routes_results_by_processor(
    newest_database: Database, make_bridge: MakeBridge, rabbitmq: Broker
) -> None:
    connection = newest_database.connect()
    create_tables(connection)
    exchange = rabbitmq.new_exchange()
    queues = {
        name: rabbitmq.new_queue(exchange, binding=f"cdc.{name}.result")
        for name in ("revenue", "paid")
    }
    bridge = make_bridge(
        newest_database.dsn,
        tables=PUBLISHED,
        source={"snapshot": "initial"},
        sinks=[{"type": "rabbitmq", "name": "results", "url": rabbitmq.url, "exchange": exchange}],
        processors=[REVENUE, PAID],
    )
    bridge.start().wait_until_logged("stream_started")
    connection.execute("INSERT INTO orders (customer, amount) VALUES (1, 10), (2, 2.50)")
    connection.execute("INSERT INTO payments (order_id, amount) VALUES (1, 10)")
    expected = {key: value for key, value in expected_answers(connection).items() if len(key) == 3}

    def messages() -> list[Any]:
        return [message for queue in queues.values() for message in queue.read()]

    bridge.until(
        lambda: told_answers([json.loads(m.body) for m in messages()]) == expected,
        "all results are there",
        _CATCH_UP_S,
    )
    assert bridge.terminate() == 0
    for name, queue in queues.items():
        assert {json.loads(message.body)["processor"] for message in queue.read()} == {name}


def test_a_result_that_a_receiver_refuses_is_parked_and_replayed(
    newest_database: Database, make_bridge: MakeBridge
) -> None:
    connection = newest_database.connect()
    create_tables(connection)
    with WebhookReceiver() as receiver:
        receiver.refuse_where(lambda result: result["key"] == {"customer": 2})
        bridge = make_bridge(
            newest_database.dsn,
            tables=PUBLISHED,
            source={"snapshot": "initial"},
            sinks=[
                {
                    "type": "webhook",
                    "name": "results",
                    "url": receiver.url(),
                    "allow_private_addresses": True,
                }
            ],
            processors=[REVENUE],
        )
        bridge.start().wait_until_logged("stream_started")
        connection.execute("INSERT INTO orders (customer, amount) VALUES (1, 10), (2, 2), (3, 3)")
        expected = expected_answers(connection)
        others = {key: value for key, value in expected.items() if key[1] != 2}
        bridge.until(lambda: told_answers(receiver.kept()) == others, "the others arrive")
        parked = bridge.wait_until_logged("event_dead_lettered")
        assert bridge.terminate() == 0

        [letter] = json.loads(bridge.command("dlq", "list", "--json"))
        assert (letter["operation"], letter["table"]) == ("Result", "revenue")
        assert letter["position"] == parked["position"]
        receiver.accept_everything()
        bridge.command("dlq", "replay")
        assert told_answers(receiver.kept()) == expected
        assert receiver.kept()[-1]["event_id"] == letter["event_id"]
        assert receiver.requests[-1].headers["Webhook-Id"] == letter["event_id"]
