"""What a receiver is told in confidence appears in no log, error, output or state file."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from typing import Any

import psycopg
import pytest

from tests.e2e.conftest import MakeBridge
from tests.e2e.test_secrets import command
from tests.fixtures.bridge_process import BridgeProcess
from tests.fixtures.databases import Database
from tests.fixtures.one_table import create_table
from tests.fixtures.waiting import eventually
from tests.fixtures.webhook_receiver import LORIS, RESET_AFTER_BODY, Reply, WebhookReceiver

PASSWORD = "canary%2Dpassword"
TOKEN = "canary-query-token"
BEARER = "canary-bearer-token"
HEADER = "canary-header-value"
KEY = b"canary-signing-key-of-32-bytes!!"
SIGNING_SECRET = "whsec_" + b64encode(KEY).decode()
VALUE = "yellow-canary"
LOCATION = "canary-location"
BODY = b"canary-answer"
BATCH: Mapping[str, Any] = {"max_events": 10, "item_results": False}

CONFIDENTIAL = (
    PASSWORD,
    "canary-password",
    b64encode(b"app:canary-password").decode(),
    TOKEN,
    BEARER,
    HEADER,
    SIGNING_SECRET,
    SIGNING_SECRET.removeprefix("whsec_"),
    KEY.decode(),
    LOCATION,
    BODY.decode(),
)


def assert_silent(text: str) -> None:
    assert [secret for secret in (*CONFIDENTIAL, VALUE) if secret in text] == []


def assert_nothing_is_stored(bridge: BridgeProcess) -> None:
    files = [path for path in (bridge.directory / "state").rglob("*") if path.is_file()]
    assert files
    for path in files:
        content = path.read_bytes()
        assert [secret for secret in CONFIDENTIAL if secret.encode() in content] == []


@pytest.mark.parametrize(
    ("account", "batch"),
    [
        ("url", BATCH),
        ("bearer", None),
        pytest.param("url", None, marks=pytest.mark.nightly),
        pytest.param("bearer", BATCH, marks=pytest.mark.nightly),
    ],
)
def test_a_run_through_every_kind_of_failure_says_nothing(
    account: str,
    batch: Mapping[str, Any] | None,
    newest_database: Database,
    make_bridge: MakeBridge,
) -> None:
    connection = newest_database.connect()
    create_table(connection)
    with WebhookReceiver() as receiver:
        in_url = account == "url"
        settings: dict[str, Any] = {} if in_url else {"bearer_token": BEARER}
        bridge = make_bridge(
            newest_database.dsn,
            sinks=[
                {
                    "type": "webhook",
                    "url": receiver.url(
                        f"/hook?token={TOKEN}", account=f"app:{PASSWORD}@" if in_url else ""
                    ),
                    "secret_headers": {"X-Api-Key": HEADER},
                    "signing_secret": SIGNING_SECRET,
                    "allow_private_addresses": True,
                    "allow_redirects": True,
                    "timeout_seconds": 0.5,
                    "batch": batch,
                    "retry": {"initial_delay_ms": 5, "max_delay_ms": 20},
                    "circuit_breaker": {"pause_ms": 20},
                    **settings,
                }
            ],
        ).start("--log-level", "debug")
        bridge.wait_until_logged("stream_started")

        def send(connection: psycopg.Connection[Any]) -> None:
            kept = len(receiver.kept())
            connection.execute("INSERT INTO t (name) VALUES (%s)", [VALUE])
            bridge.until(lambda: len(receiver.kept()) > kept, "the row")

        for fault in (
            Reply(503, body=BODY),
            Reply(429, {"Retry-After": "0"}, body=BODY),
            Reply(how="no_http"),
            Reply(307, {"Location": f"http://127.0.0.1:1/{LOCATION}"}),
            Reply(308, {"Location": f"http://{LOCATION}.invalid/"}),
            RESET_AFTER_BODY,
            LORIS,
        ):
            receiver.answer(fault)
            send(connection)
        receiver.stop()
        connection.execute("INSERT INTO t (name) VALUES (%s)", [VALUE])
        retries = len(bridge.logged("sink_retry"))
        bridge.until(lambda: len(bridge.logged("sink_retry")) > retries + 2, "refused connections")
        receiver.start()
        send(connection)
        receiver.answer(Reply(400, body=BODY))
        connection.execute("INSERT INTO t (name) VALUES (%s)", [VALUE])
        bridge.wait_until_logged("event_dead_lettered")
        assert receiver.requests[0].path.endswith(TOKEN)
        assert receiver.requests[0].headers["X-Api-Key"] == HEADER
        for verb in (["config", "show"], ["config", "show", "--json"], ["status", "--json"],
                     ["dlq", "list", "--json"], ["doctor", "--json"]):  # fmt: skip
            said = command(bridge, *verb)
            assert_silent(said)
            assert "Traceback" not in said
        for status, words in (
            (302, "redirect is not followed"),
            (307, "not a web address"),
            (401, "account"),
        ):
            receiver.always(Reply(status, {"Location": f"ftp://x/{LOCATION}"}, body=BODY))
            connection.execute("INSERT INTO t (name) VALUES (%s)", [VALUE])
            eventually(lambda: not bridge.running, message="the bridge ends")
            assert bridge.wait() == 3
            assert words in bridge.stderr
            assert_silent(bridge.stderr)
            assert_nothing_is_stored(bridge)
            bridge.start("--log-level", "debug")
        receiver.accept_everything()
        bridge.kill()
        assert_silent(bridge.stderr)


@pytest.mark.parametrize(
    "settings",
    [
        {"url": f"https://app:{PASSWORD}@127.0.0.1/{TOKEN}-path?token={TOKEN}"},
        {"url": f"https://app:{PASSWORD}@exa mple.com/?token={TOKEN}"},
        {"url": f"https://example.com/?token={TOKEN}", "bearer_token": f"{BEARER} x"},
        {"url": "https://example.com/", "signing_secret": KEY.decode()},
        {"url": "https://example.com/", "secret_headers": {"X-Api-Key": f"{HEADER}\n"}},
        {"url": "https://example.com/", "tls": {"cert_file": "x.pem", "key_password": BEARER}},
    ],
)
def test_a_configuration_that_is_refused_is_not_repeated(
    settings: dict[str, Any], newest_database: Database, make_bridge: MakeBridge
) -> None:
    create_table(newest_database.connect())
    bridge = make_bridge(newest_database.dsn, sinks=[{"type": "webhook", **settings}]).start()
    assert bridge.wait() == 2
    assert_silent(bridge.stderr)
