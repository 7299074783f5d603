"""The settings of the sink for Kafka: what is refused, and what is never shown."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.core.errors import ConfigError
from bridge.core.secret import Secret
from sinks.kafka.client import producer_settings
from sinks.kafka.config import KafkaConfig, OutboxConfig, SaslConfig, TlsConfig

PASSWORD = Secret("sw0rdfish")


def config(**settings: Any) -> KafkaConfig:
    return KafkaConfig(**{"brokers": "localhost:9092", **settings})


@pytest.mark.parametrize(
    ("name", "value", "remedy"),
    [
        ("enable.idempotence", False, "always true"),
        ("acks", 1, "always all"),
        ("request.required.acks", 0, "always all"),
        ("enable.gapless.guarantee", False, "always true"),
        ("message.timeout.ms", 5_000, "always unlimited"),
        ("enable.ssl.certificate.verification", False, "always true"),
        ("ssl.endpoint.identification.algorithm", "none", "always https"),
        ("bootstrap.servers", "x:9092", "setting brokers"),
        ("compression.type", "zstd", "setting compression"),
        ("message.max.bytes", 5, "setting max_message_bytes"),
        ("transactional.id", "x", "setting transactional_id"),
        ("security.protocol", "SSL", "tls or sasl"),
        ("sasl.password", "sw0rdfish", "tls or sasl"),
        ("ssl.key.pem", "sw0rdfish", "tls or sasl"),
        ("debug", "all", "cannot be used"),
        ("error_cb", "x", "cannot be used"),
    ],
)
def test_what_promises_rest_on_cannot_be_changed(name: str, value: Any, remedy: str) -> None:
    with pytest.raises(ConfigError, match=name.replace(".", r"\.")) as raised:
        config(options={name: value})
    assert remedy in raised.value.remedy
    assert "sw0rdfish" not in str(raised.value)


@pytest.mark.parametrize(
    "options", [{"linger.msec": 5}, {"statistics.interval.ms": "soon"}, {"batch.size": -1}]
)
def test_an_option_that_the_library_does_not_take_is_named(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(options)).replace(".", r"\.")):
        config(options=options)


def test_other_options_reach_the_library() -> None:
    settings = producer_settings(config(options={"linger.ms": 7}))
    assert settings["linger.ms"] == 7
    assert (settings["enable.idempotence"], settings["acks"]) == (True, "all")


@pytest.mark.parametrize(
    ("settings", "protocol"),
    [
        ({}, "PLAINTEXT"),
        ({"tls": TlsConfig()}, "SSL"),
        (
            {"sasl": SaslConfig(mechanism="PLAIN", username="a", password=PASSWORD)},
            "SASL_PLAINTEXT",
        ),
        (
            {
                "sasl": SaslConfig(mechanism="SCRAM-SHA-512", username="a", password=PASSWORD),
                "tls": TlsConfig(),
            },
            "SASL_SSL",
        ),
    ],
)
def test_the_protocol_follows_from_the_sections(settings: dict[str, Any], protocol: str) -> None:
    assert producer_settings(config(**settings))["security.protocol"] == protocol


@pytest.mark.parametrize(
    ("settings", "missing"),
    [
        ({"mechanism": "PLAIN", "username": "a"}, "password"),
        ({"mechanism": "SCRAM-SHA-256", "password": PASSWORD}, "username"),
        ({"mechanism": "OAUTHBEARER", "client_id": "a"}, "token_url and client_secret"),
    ],
)
def test_a_mechanism_needs_its_settings(settings: dict[str, Any], missing: str) -> None:
    with pytest.raises(ConfigError, match=missing):
        SaslConfig(**settings)


def test_a_certificate_needs_its_key() -> None:
    with pytest.raises(ConfigError, match="belong together"):
        TlsConfig(cert_file="a.pem")


@pytest.mark.parametrize(
    "settings",
    [
        {"topic": "{tabel}"},
        {"transactional_id": "x"},
        {"delivery": "exactly_once", "commit_interval_ms": 900, "transaction_timeout_ms": 1_000},
    ],
)
def test_settings_that_do_not_go_together_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        config(**settings)


def test_an_outbox_has_one_placeholder() -> None:
    with pytest.raises(ConfigError, match="schema"):
        OutboxConfig(topic="{schema}")


def test_secrets_are_not_in_what_is_shown() -> None:
    sasl = SaslConfig(mechanism="PLAIN", username="a", password=PASSWORD)
    assert "sw0rdfish" not in repr(config(sasl=sasl, tls=TlsConfig(key_password=PASSWORD)))
