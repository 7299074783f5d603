"""Passwords for Kafka and values of rows are said nowhere, whatever goes wrong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.e2e.conftest import MakeBridge
from tests.fixtures.bridge_process import BridgeProcess
from tests.fixtures.databases import Database
from tests.fixtures.kafka.fixtures import PrivateKafkaFactory
from tests.fixtures.kafka.reader import Topics
from tests.fixtures.kafka.security import (
    PLAIN_USER,
    SCRAM_USER,
    STRANGER,
    make_certificates,
    secure_options,
)
from tests.fixtures.one_table import create_table
from tests.fixtures.slot_history import wait_until_confirmed

PASSWORD = "sw0rdfish-of-the-canary"
VALUE = "yellow-canary"


def assert_silent(bridge: BridgeProcess, *, values_may_be_stored: bool = False) -> None:
    """Look for the secrets in everything the bridge has said and left behind."""
    said = bridge.stderr
    for verb in (["config", "show"], ["status", "--json"], ["dlq", "list", "--json"], ["doctor"]):
        command = [sys.executable, "-m", "bridge.cli", *verb, "-c"]
        done = subprocess.run(
            [*command, str(bridge.directory / "pgbridge.yaml")],
            capture_output=True,
            text=True,
            timeout=60,
        )
        said += done.stdout + done.stderr
    assert PASSWORD not in said
    assert VALUE not in said
    assert "Traceback" not in said
    for path in Path(bridge.settings["state"]["dir"]).rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert PASSWORD.encode() not in content, path
            assert values_may_be_stored or VALUE.encode() not in content, path


def account(mechanism: str, user: str, password: str = PASSWORD) -> dict[str, Any]:
    return {"mechanism": mechanism, "username": user, "password": password}


@pytest.mark.parametrize(
    "delivery", ["exactly_once", pytest.param("at_least_once", marks=pytest.mark.nightly)]
)
def test_a_run_through_every_kind_of_failure_says_nothing(
    delivery: str,
    tmp_path: Path,
    newest_database: Database,
    private_kafka: PrivateKafkaFactory,
    make_bridge: MakeBridge,
) -> None:
    make_certificates(tmp_path)
    cluster = private_kafka(**secure_options(tmp_path, PASSWORD))
    (broker,) = cluster.brokers
    topics = Topics(cluster.bootstrap)
    topics.create("t", config={"max.message.bytes": "20000"})
    connection: psycopg.Connection[Any] = newest_database.connect()
    create_table(connection)

    def bridge_with(name: str, listener: str, **settings: Any) -> BridgeProcess:
        sink = {
            "type": "kafka",
            "brokers": cluster.addresses(listener),
            "topic": "t",
            "delivery": delivery,
            "compression": "none",
            "retry": {"max_delay_ms": 300},
            **settings,
        }
        return make_bridge(newest_database.dsn, name=name, sinks=[sink])

    # One that works, through outages and refused rows.
    bridge = bridge_with("works", "SASL", sasl=account("SCRAM-SHA-512", SCRAM_USER)).start()
    bridge.wait_until_logged("stream_started")
    connection.execute("INSERT INTO t VALUES (1, %s)", [VALUE])
    wait_until_confirmed(connection)
    connection.execute("INSERT INTO t VALUES (2, %s)", [VALUE * 3_000])
    connection.execute("INSERT INTO t VALUES (3, %s)", [VALUE * 300_000])
    bridge.wait_until_logged("event_dead_lettered", count=2, timeout=60)
    broker.kill()
    connection.execute("INSERT INTO t VALUES (4, %s)", [VALUE])
    broker.start()
    wait_until_confirmed(connection, timeout=60)
    topics.delete("t")
    connection.execute("INSERT INTO t VALUES (5, %s)", [VALUE])
    bridge.wait_until_logged("sink_retry", timeout=60)
    topics.create("t")
    wait_until_confirmed(connection, timeout=60)
    assert bridge.terminate() == 0
    assert any(VALUE in (m.value() or b"").decode() for m in topics.read("t"))  # it could be leaked
    assert_silent(bridge, values_may_be_stored=True)  # that is what dead letters are for

    # Those that are not let in.
    wrong = "not-" + PASSWORD
    refused: dict[str, dict[str, Any]] = {
        "scram": {"listener": "SASL", "sasl": account("SCRAM-SHA-256", SCRAM_USER, wrong)},
        "plain": {"listener": "SASL", "sasl": account("PLAIN", PLAIN_USER, wrong)},
        "rights": {"listener": "SASL", "sasl": account("SCRAM-SHA-256", STRANGER)},
        "authority": {
            "listener": "TLS",
            "sasl": account("PLAIN", PLAIN_USER),
            "tls": {"ca_file": str(tmp_path / "other-ca.pem")},
        },
        "file": {
            "listener": "TLS",
            "sasl": account("PLAIN", PLAIN_USER),
            "tls": {"ca_file": str(tmp_path / "nowhere.pem")},
        },
    }
    for name, settings in refused.items():
        bridge = bridge_with(name, **settings).start()
        assert bridge.wait() == 3, name
        assert_silent(bridge)

    # Those whose settings are wrong.
    for name, settings in {
        "option": {"options": {"sasl.password": PASSWORD}},
        "section": {"sasl": {**account("PLAIN", PLAIN_USER), "pasword": PASSWORD}},
        "type": {"sasl": {"mechanism": PASSWORD, "username": "a", "password": [PASSWORD]}},
    }.items():
        bridge = bridge_with(name, "SASL", **settings).start()
        assert bridge.wait() == 2, name
        assert PASSWORD not in bridge.stderr
