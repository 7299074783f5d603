"""What the bridge says, and how it ends, when RabbitMQ does not want it; and what it never says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.e2e.conftest import MakeBridge
from tests.fixtures.bridge_process import BridgeProcess
from tests.fixtures.databases import Database
from tests.fixtures.one_table import create_table, insert
from tests.fixtures.rabbitmq.broker import Broker
from tests.fixtures.rabbitmq.node import RabbitMqNode
from tests.fixtures.slot_history import wait_until_confirmed

PASSWORD = "c4nary-of/the@broker"
QUOTED = "c4nary-of%2Fthe%40broker"
VALUE = "yellow-canary"


@pytest.fixture
def app_url(rabbitmq_node: RabbitMqNode) -> str:
    """An URL of a user with a password worth hiding."""
    users = rabbitmq_node.control("list_users")
    if "app" not in users:
        rabbitmq_node.control("add_user", "app", PASSWORD)
    rabbitmq_node.control("change_password", "app", PASSWORD)
    rabbitmq_node.control("set_permissions", "app", ".*", ".*", ".*")
    return rabbitmq_node.url("app", QUOTED)


def sink_of(url: str, exchange: str, **settings: Any) -> dict[str, Any]:
    retry = {"initial_delay_ms": 50, "max_delay_ms": 200}
    return {"type": "rabbitmq", "url": url, "exchange": exchange, "retry": retry, **settings}


def ended_of(bridge: BridgeProcess) -> tuple[int, str]:
    return bridge.start("--log-level", "debug").wait(), bridge.stderr


def test_what_is_wrong_at_the_start_ends_it_with_a_sentence(
    newest_database: Database,
    make_bridge: MakeBridge,
    rabbitmq: Broker,
    rabbitmq_node: RabbitMqNode,
    app_url: str,
) -> None:
    exchange = rabbitmq.new_exchange()
    create_table(newest_database.connect())

    def run(name: str, url: str, to: str = exchange, **settings: Any) -> tuple[int, str]:
        sinks = [sink_of(url, to, **settings)]
        source = {"slot": f"slot_{name}"}
        return ended_of(make_bridge(newest_database.dsn, name=name, sinks=sinks, source=source))

    code, said = run("password", rabbitmq_node.url("app", "wrong-canary"))
    assert (code, "refuses the login of 'app'" in said) == (3, True), said
    assert "wrong-canary" not in said

    code, said = run("vhost", rabbitmq_node.url("app", QUOTED, vhost="no/such"))
    assert (code, "has no virtual host 'no/such'" in said) == (3, True), said

    code, said = run("exchange", app_url, "no-such", declare=False)
    assert (code, "no exchange 'no-such'" in said) == (3, True), said

    code, said = run("type", app_url, exchange_type="fanout")
    assert (code, "inequivalent arg 'type'" in said) == (3, True), said

    rabbitmq_node.control("set_permissions", "app", "", "", "")
    code, said = run("permission", app_url)
    assert (code, "access to exchange" in said, "permissions" in said) == (3, True, True), said

    rabbitmq_node.control("clear_permissions", "app")
    code, said = run("entry", app_url)
    assert (code, "does not let 'app' into the virtual host" in said) == (3, True), said

    for name, url in (
        ("scheme", f"http://app:{QUOTED}@localhost/"),
        ("unquoted", f"amqp://app:{PASSWORD}@localhost:5672/"),
    ):
        code, said = run(name, url)
        assert (code, "url" in said) == (2, True), said
        assert PASSWORD not in said
        assert QUOTED not in said

    code, said = run("template", app_url, routing_key="cdc.{tabel}")
    assert (code, "Did you mean {table}?" in said) == (2, True), said


def assert_silent(text: str) -> None:
    for secret in (PASSWORD, QUOTED, VALUE):
        assert secret not in text


def test_neither_password_nor_values_are_told_through_every_kind_of_failure(
    newest_database: Database,
    make_bridge: MakeBridge,
    rabbitmq: Broker,
    rabbitmq_node: RabbitMqNode,
    app_url: str,
) -> None:
    exchange = rabbitmq.new_exchange()
    queue = rabbitmq.new_queue(exchange)
    connection = newest_database.connect()
    create_table(connection)
    sink = sink_of(app_url, exchange, max_message_bytes=2_000)
    bridge = make_bridge(newest_database.dsn, sinks=[sink]).start("--log-level", "debug")
    bridge.wait_until_logged("stream_started")

    def change(key: int, value: str = VALUE) -> None:
        connection.execute("INSERT INTO t VALUES (%s, %s)", [key, value])

    change(1)
    wait_until_confirmed(connection)
    change(2, VALUE * 500)
    bridge.wait_until_logged("event_dead_lettered")
    rabbitmq.unbind(queue, exchange)
    change(3)
    bridge.wait_until_logged("sink_retry")
    rabbitmq.bind(queue, exchange)
    wait_until_confirmed(connection)
    rabbitmq_node.control("close_all_connections", "by a test")
    change(4)  # an idle sink notices when it has something to do
    bridge.until(lambda: "closed the connection" in bridge.stderr, "it was noticed")
    wait_until_confirmed(connection)
    rabbitmq_node.kill()
    change(5)
    bridge.until(lambda: "cannot be reached" in bridge.stderr, "it was noticed", 30)
    rabbitmq_node.start()
    wait_until_confirmed(connection)
    rabbitmq_node.control("change_password", "app", "another")
    rabbitmq_node.control("close_all_connections", "by a test")
    change(6)
    assert bridge.wait() == 3
    assert "refuses the login of 'app'" in bridge.stderr
    assert_silent(bridge.stderr)
    assert [json.loads(m.body)["row_id"] for m in queue.read()] == ["1", "3", "4", "5"]

    config = str(bridge.directory / "pgbridge.yaml")
    for verb in (
        ["run", "--log-level", "debug"],
        ["config", "show"],
        ["config", "show", "--json"],
        ["config", "validate"],
        ["status", "--json"],
        ["doctor", "--json"],
        ["dlq", "list", "--json"],
        ["dlq", "replay"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", "bridge.cli", *verb, "-c", config],
            capture_output=True,
            text=True,
            timeout=60,
        )
        said = done.stdout + done.stderr
        assert_silent(said)
        assert "Traceback" not in said or "debug" in verb
        if verb[0] == "config" and "show" in verb:
            assert "amqp://app:***@127.0.0.1" in said
    for file in Path(bridge.settings["state"]["dir"]).iterdir():
        content = file.read_bytes()
        assert PASSWORD.encode() not in content
        assert QUOTED.encode() not in content


def test_a_message_that_the_broker_finds_too_large_is_a_dead_letter(
    newest_database: Database,
    make_bridge: MakeBridge,
    rabbitmq: Broker,
    rabbitmq_node: RabbitMqNode,
) -> None:
    exchange = rabbitmq.new_exchange()
    queue = rabbitmq.new_queue(exchange)
    with psycopg.connect(newest_database.dsn, autocommit=True) as connection:
        create_table(connection)
        sink = sink_of(rabbitmq.url, exchange)
        bridge = make_bridge(newest_database.dsn, sinks=[sink]).start()
        bridge.wait_until_logged("stream_started")
        insert(connection, 1)
        connection.execute("INSERT INTO t VALUES (2, repeat('x', 5000000))")
        insert(connection, 3)
        wait_until_confirmed(connection)
        dead = bridge.wait_until_logged("event_dead_lettered")
        assert "the largest that is accepted has 4000000" in dead["reason"]
        assert bridge.terminate() == 0
    keys = [json.loads(message.body)["row_id"] for message in queue.read()]
    assert [*dict.fromkeys(keys)] == ["1", "3"]
