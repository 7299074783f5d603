"""Settings of the sink: what is refused before anything is sent, and what is never shown."""

from __future__ import annotations

import subprocess
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from bridge.config import load_config
from bridge.config.printing import secrets_of, show
from bridge.core.errors import ConfigError
from sinks.webhook import WebhookConfig, WebhookSink

KEY = "whsec_" + b64encode(b"canary-signing-key-0123456789abc").decode()


def config_of(tmp_path: Path, settings: str) -> Any:
    file = tmp_path / "pgbridge.yaml"
    file.write_text(f"source: {{dsn: host=localhost}}\nsinks:\n  - {settings}\n")
    return load_config(file, environ={})


def test_the_example_of_the_documentation(tmp_path: Path) -> None:
    config = config_of(
        tmp_path,
        '{name: hook, type: webhook, url: "https://api.example.com/webhook", method: PUT, '
        "timeout_seconds: 30, headers: {X-Team: data}, batch: {max_events: 500, max_delay_ms: 20},"
        f" lanes: 8, signing_secret: {KEY}, allow_private_addresses: false, "
        "retry: {max_retries: 10, initial_delay_ms: 100, max_delay_ms: 30000}}",
    )
    settings = config.sinks[0].settings
    assert isinstance(settings, WebhookConfig)
    assert settings.retry == config.sinks[0].retry
    assert settings.retry.max_retries == 10
    assert settings.batch is not None
    assert settings.batch.max_bytes == 1_000_000
    WebhookSink(settings)


def test_secrets_are_masked_wherever_the_configuration_is_shown(tmp_path: Path) -> None:
    config = config_of(
        tmp_path,
        '{type: webhook, url: "https://example.com/hook?token=canary-query", bearer_token: '
        f"canary-bearer, signing_secret: {KEY}, previous_signing_secrets: [{KEY}], "
        "secret_headers: {X-Api-Key: canary-header}, tls: {cert_file: a.pem, "
        "key_password: canary-tls}}",
    )
    shown = str(show(config)) + repr(config)
    assert "canary" not in shown
    assert KEY not in shown
    assert "https://example.com/***" in shown
    hidden = {text for secret in secrets_of(config) for text in secret.fragments()}
    assert {"canary-query", "canary-bearer", KEY, "canary-header", "canary-tls"} <= hidden


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ("url: example.com", "begin with https"),
        ("url: 'https://canary:canary@example.com:x/'", "cannot be read"),
        ("url: 'http://10.0.0.1/'", "not on the public internet"),
        ("url: 'http://[::ffff:127.0.0.1]/'", "not on the public internet"),
        ("url: 'https://u:p@example.com/', bearer_token: canary", "several accounts"),
        ("url: 'https://example.com/', username: canary", "belong together"),
        ("url: 'https://example.com/', bearer_token: 'canary canary'", "spaces"),
        ("url: 'https://example.com/', signing_secret: canary", "whsec_"),
        (f"url: 'https://example.com/', previous_signing_secrets: [{KEY}]", "no signing_secret"),
        ("url: 'https://example.com/', headers: {Authorization: canary}", "is a secret"),
        ("url: 'https://example.com/', headers: {Content-Length: canary}", "by the sink itself"),
        ("url: 'https://example.com/', headers: {'X Y': canary}", "name that HTTP"),
        ('url: "https://example.com/", headers: {X-Y: "canary\\r\\nZ: 1"}', "control character"),
        ('url: "https://example.com/", secret_headers: {X-Y: "canary\\n"}', "control character"),
        ("url: 'https://example.com/', headers: {X-Y: a, x-y: b}", "twice"),
        ("url: 'http://example.com/', tls: {ca_file: x}", "tls is for https"),
        ("url: 'https://example.com/', tls: {key_file: x}", "no cert_file"),
        ("url: 'https://example.com/', lanes: 0", "at least 1"),
        ("url: 'https://example.com/', on_give_up: dead_letter", "retry goes on for ever"),
        ("url: 'https://example.com/', on_give_up: skip", "stop, dead_letter"),
        ("url: 'https://example.com/', method: GET", "POST, PUT"),
        ("url: 'https://example.com/', batch: {max_event: 1}", "max_events"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, settings: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as raised:
        config_of(tmp_path, f"{{type: webhook, {settings}}}")
    assert "canary" not in str(raised.value).replace("pgbridge.yaml", "")


def test_files_of_certificates_are_read_before_anything_is_sent(tmp_path: Path) -> None:
    missing, empty = str(tmp_path / "missing.pem"), tmp_path / "empty.pem"
    empty.touch()
    for settings, words in (
        (f"{{ca_file: {missing}}}", "ca_file .*missing.pem cannot be used: No such file"),
        (f"{{ca_file: {empty}}}", "ca_file .*empty.pem cannot be used"),
        (f"{{cert_file: {missing}}}", "cert_file .*missing.pem cannot be used"),
        (f"{{cert_file: {empty}}}", "cert_file .*empty.pem cannot be used"),
    ):
        config = config_of(
            tmp_path, f"{{type: webhook, url: 'https://example.com/', tls: {settings}}}"
        )
        with pytest.raises(ConfigError, match=words):
            WebhookSink(config.sinks[0].settings)


def test_a_key_with_a_password_never_asks_on_the_terminal(tmp_path: Path) -> None:
    both = tmp_path / "client.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-passout", "pass:sesame",
         "-subj", "/CN=client", "-days", "2", "-keyout", both, "-out", tmp_path / "cert.pem"],
        check=True, capture_output=True,
    )  # fmt: skip
    both.write_text(both.read_text() + (tmp_path / "cert.pem").read_text())
    for password, opens in (("sesame", True), ("wrong", False), (None, False)):
        tls = f"cert_file: {both}" + (f", key_password: {password}" if password else "")
        config = config_of(
            tmp_path, f"{{type: webhook, url: 'https://example.com/', tls: {{{tls}}}}}"
        )
        if opens:
            WebhookSink(config.sinks[0].settings)
        else:
            with pytest.raises(ConfigError, match="cert_file"):
                WebhookSink(config.sinks[0].settings)
