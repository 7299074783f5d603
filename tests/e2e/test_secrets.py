"""Passwords and row values appear in no log, no error and no output, at the level debug."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest

from tests.fixtures.bridge_process import BridgeProcess
from tests.fixtures.postgres import PrivateServerFactory
from tests.fixtures.proxy import Proxy

MakeBridge = Callable[..., BridgeProcess]
PASSWORD = "sw0rdfish-of-the-canary"
VALUE = "yellow-canary"
SECRETS = (PASSWORD, VALUE, VALUE.encode().hex())


def assert_silent(text: str) -> None:
    for secret in SECRETS:
        assert secret not in text


def command(bridge: BridgeProcess, *verb: str) -> str:
    """Run another verb on the bridge's configuration; return all that it says."""
    done = subprocess.run(
        [sys.executable, "-m", "bridge.cli", *verb, "-c", str(bridge.directory / "pgbridge.yaml")],
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    "uri", [pytest.param(False, marks=pytest.mark.nightly), True], ids=["settings", "uri"]
)
def test_a_run_through_every_kind_of_failure_says_nothing(
    uri: bool, private_server: PrivateServerFactory, make_bridge: MakeBridge
) -> None:
    server = private_server()
    corrupting = False

    def rewrite(data: bytes) -> bytes:
        size = bytes([len(VALUE)])
        wrong = bytes([len(VALUE) + 1])
        value = VALUE.encode()
        return data.replace(size + value, wrong + value) if corrupting else data

    with ExitStack() as stack:
        admin = stack.enter_context(psycopg.connect(server.dsn(), autocommit=True))
        socket_path = str(server.socket_dir / f".s.PGSQL.{server.port}")
        proxy = stack.enter_context(Proxy(socket_path, rewrite=rewrite))
        admin.execute(f"CREATE ROLE app LOGIN SUPERUSER PASSWORD '{PASSWORD}'")
        (hba,) = admin.execute("SHOW hba_file").fetchone() or ()
        Path(hba).write_text("local all postgres trust\nlocal all all scram-sha-256\n")
        admin.execute("SELECT pg_reload_conf()")
        admin.execute("CREATE TABLE t (id int PRIMARY KEY, name text)")
        admin.execute("INSERT INTO t VALUES (0, %s)", [VALUE])
        dsn = (
            f"postgresql://app:{PASSWORD}@127.0.0.1:{proxy.port}/postgres?sslmode=prefer"
            if uri
            else f"host=127.0.0.1 port={proxy.port} user=app password={PASSWORD} dbname=postgres"
        )
        bridge = make_bridge(
            dsn,
            source={"snapshot": "initial", "liveness_seconds": 5},
        ).start()
        bridge.wait_for_events(1)
        admin.execute("INSERT INTO t VALUES (1, %s)", [VALUE])
        bridge.wait_for_events(2)
        proxy.cut()
        bridge.wait_until_logged("stream_lost")
        admin.execute("UPDATE t SET name = name || '!' WHERE id = 1")
        bridge.wait_for_events(3)
        admin.execute("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots")
        bridge.wait_until_logged("stream_lost", count=2)
        corrupting = True
        admin.execute("INSERT INTO t VALUES (2, %s)", [VALUE])
        assert bridge.wait() == 1
        assert_silent(bridge.stderr)
        corrupting = False
        bridge.start("--log-level", "debug")
        bridge.wait_for_events(4)
        bridge.signal(signal.SIGTERM)
        assert bridge.wait() == 0
        assert_silent(bridge.stderr)
        for verb in (
            ["config", "show"],
            ["config", "show", "--json"],
            ["status", "--json"],
            ["doctor", "--json"],
            ["slots", "list", "--json"],
            ["dlq", "list", "--json"],
        ):
            said = command(bridge, *verb)
            assert_silent(said)
            assert "Traceback" not in said
            assert "invalid choice" not in said
        admin.execute("ALTER ROLE app PASSWORD 'another'")
        for verb in (["run"], ["doctor"], ["status"], ["slots", "list"], ["init", "--yes"]):
            assert_silent(command(bridge, *verb, "--log-level", "debug"))
        assert VALUE in json.dumps(bridge.delivered().events())  # it was there to be leaked
