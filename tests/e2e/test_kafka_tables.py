"""A reader like Kafka Connect's JDBC sink rebuilds the tables from the format ``debezium``."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from typing import Any

import psycopg
import pytest
from confluent_kafka import Message

from tests.e2e.conftest import MakeBridge
from tests.fixtures.kafka.fixtures import PrivateKafkaFactory
from tests.fixtures.kafka.reader import Topics
from tests.fixtures.postgres import PrivateServerFactory
from tests.fixtures.slot_history import wait_until_confirmed
from tests.fixtures.writers import PUBLISHED, TABLES, Writers, create_tables

UNAVAILABLE = "__debezium_unavailable_value"

Rows = dict[bytes, dict[str, Any]]


def upsert_and_delete(messages: list[Message]) -> Rows:
    """Apply messages as a sink with ``pk.mode=record_key`` and ``delete.enabled`` does.

    The key names the row; a message with ``after`` is an upsert, one without a body a delete. What
    Debezium leaves out of an update, because it is TOASTed and unchanged, keeps its value.
    """
    rows: Rows = {}
    for message in messages:
        key, body = message.key(), message.value()
        assert key is not None
        if body is None:
            rows.pop(key, None)
            continue
        after = json.loads(body)["after"]
        if after is not None:
            assert json.loads(key) == {"id": after["id"]}
            known = rows.get(key, {})
            rows[key] = {
                name: known.get(name, value) if value == UNAVAILABLE else value
                for name, value in after.items()
            }
    return rows


def compacted(messages: list[Message]) -> list[Message]:
    """Return the last message of each key: what compaction leaves in the end."""
    return list({message.key(): message for message in messages}.values())


@pytest.mark.parametrize(
    "delivery", [pytest.param("at_least_once", marks=pytest.mark.nightly), "exactly_once"]
)
def test_the_tables_are_rebuilt_from_keys_bodies_and_tombstones(
    delivery: str,
    private_server: PrivateServerFactory,
    private_kafka: PrivateKafkaFactory,
    make_bridge: MakeBridge,
) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    server, cluster = private_server(), private_kafka()
    sink = {
        "type": "kafka",
        "brokers": cluster.bootstrap,
        "topic": "shop.{schema}.{table}",
        "format": "debezium",
        "server_name": "shop",
        "delivery": delivery,
        "create_topics": {"partitions": 3, "config": {"cleanup.policy": "compact"}},
    }
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        create_tables(connection)
        # Without it, a large column that stays as it is while the key changes is not sent at all.
        connection.execute("ALTER TABLE items REPLICA IDENTITY FULL")
        bridge = make_bridge(
            server.dsn(), tables=PUBLISHED, sinks=[sink], source={"snapshot": "initial"}
        ).start()
        bridge.wait_until_logged("stream_started")
        with Writers(server.dsn(), seed=seed, count=4, pause_s=0.02) as writers:
            bridge.until(lambda: writers.commits > 1_500, "there are changes of every kind")
        wait_until_confirmed(connection, timeout=60)
        expected = {
            table: {
                row["id"]: row
                for (row,) in connection.execute(f"SELECT to_json(t) FROM {table} AS t")
            }
            for table in TABLES
        }
    assert bridge.terminate() == 0
    topics = Topics(cluster.bootstrap)
    kinds: dict[str, int] = defaultdict(int)
    for table in TABLES:
        messages = topics.read(f"shop.public.{table}")
        for message in messages:
            body = message.value()
            kinds["tombstone" if body is None else json.loads(body)["op"]] += 1
        rebuilt = upsert_and_delete(messages)
        assert {row["id"]: row for row in rebuilt.values()} == expected[table], table
        # A reader that comes after compaction finds the same rows.
        last = {m.key() for m in compacted(messages) if m.value() is not None}
        assert last == set(rebuilt)
    print(f"{delivery}: {dict(kinds)}")
    assert {"c", "u", "d", "r", "tombstone"} <= kinds.keys()
