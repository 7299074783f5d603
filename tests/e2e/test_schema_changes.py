"""Tables that change while the bridge writes Avro: which go on, and what becomes of the others."""

from __future__ import annotations

import io
import json
import uuid
from typing import Any

import fastavro
import pytest

from tests.e2e.conftest import MakeBridge
from tests.fixtures.databases import Database
from tests.fixtures.kafka.fixtures import Kafka
from tests.fixtures.schema_registry.server import RegistryApi
from tests.fixtures.slot_history import current_wal_lsn, wait_until_confirmed


class Reader:
    """Reads the rows of a topic, each with the schema that its message names."""

    def __init__(self, kafka: Kafka, registry: RegistryApi) -> None:
        self._kafka = kafka
        self._registry = registry

    def rows(self, topic: str) -> list[dict[str, Any]]:
        return [self._row(message.value()) for message in self._kafka.topics.read(topic)]

    def _row(self, message: bytes) -> Any:
        schema = json.loads(self._registry.schema(int.from_bytes(message[1:5], "big")))
        return fastavro.schemaless_reader(io.BytesIO(message[5:]), schema)["new_values"]


@pytest.mark.parametrize(
    "delivery", ["at_least_once", pytest.param("exactly_once", marks=pytest.mark.nightly)]
)
def test_a_retyped_table_is_dead_lettered_and_everything_else_flows(
    newest_database: Database,
    kafka: Kafka,
    schema_registry: RegistryApi,
    make_bridge: MakeBridge,
    delivery: str,
) -> None:
    prefix = f"t{uuid.uuid4().hex[:12]}"
    connection = newest_database.connect()
    connection.execute("CREATE TABLE users (id int PRIMARY KEY, name text)")
    connection.execute("CREATE TABLE orders (id int PRIMARY KEY, paid timestamptz)")
    bridge = make_bridge(
        newest_database.dsn,
        tables=("public.users", "public.orders"),
        sinks=[
            {
                "type": "kafka",
                "brokers": kafka.bootstrap,
                "topic": f"{prefix}.{{table}}",
                "delivery": delivery,
                "positions_topic": f"{prefix}-positions",
                "create_topics": {},
                "schema_registry": {"url": schema_registry.url, "on_incompatible": "dead_letter"},
            }
        ],
    ).start()
    bridge.wait_until_logged("stream_started")

    for statement in (
        "INSERT INTO users VALUES (1, 'Ada')",
        "ALTER TABLE users ADD COLUMN age int",
        "INSERT INTO users VALUES (2, 'Grace', 36)",
        "ALTER TABLE users DROP COLUMN name",
        "INSERT INTO users VALUES (3, 37)",
        "ALTER TABLE users ALTER COLUMN age TYPE bigint",
        "INSERT INTO users VALUES (4, 5000000000)",
        "INSERT INTO orders VALUES (1, '2024-02-29 12:00Z')",
        "ALTER TABLE users ALTER COLUMN age TYPE text",
        "INSERT INTO users VALUES (5, 'old'), (6, 'older')",
        "INSERT INTO orders VALUES (2, 'infinity')",
    ):
        connection.execute(statement.encode())
    wait_until_confirmed(connection, current_wal_lsn(connection))

    assert bridge.terminate() == 0
    reader = Reader(kafka, schema_registry)
    users, orders = (reader.rows(f"{prefix}.{table}") for table in ("users", "orders"))
    letters = json.loads(bridge.command("dlq", "list", "--json"))
    print(f"{delivery}: {len(users)} and {len(orders)} rows, {len(letters)} dead letters, lost 0")
    assert users == [
        {"id": 1, "name": "Ada"},
        {"id": 2, "name": "Grace", "age": 36},
        {"id": 3, "age": 37},
        {"id": 4, "age": 5_000_000_000},
    ]
    assert [order["id"] for order in orders] == [1, 2]
    assert orders[1]["paid"] == "infinity"
    assert len(letters) == 2
    assert all("public.users" in letter["reason"] for letter in letters)
    assert schema_registry.versions(f"{prefix}.users-value") == [1, 2, 3, 4]
