"""Kafka with SASL and TLS: who is let in, and what is said when somebody is not."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from bridge.core.errors import BridgeError, EnvironmentProblem, Transient
from bridge.core.secret import Secret
from sinks.kafka import KafkaConfig, KafkaSink
from sinks.kafka.config import SaslConfig, TlsConfig
from tests.fixtures.events import FEED, whole_transaction
from tests.fixtures.kafka.class_archive import quick_java
from tests.fixtures.kafka.cluster import KafkaCluster
from tests.fixtures.kafka.reader import Topics
from tests.fixtures.kafka.security import (
    PLAIN_USER,
    SCRAM_USER,
    STRANGER,
    make_certificates,
    secure_options,
)

PASSWORD = "sw0rdfish-of-the-canary"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("certificates")
    make_certificates(directory)
    return directory


@pytest.fixture(scope="module")
def cluster(kafka_jars: Path, certificates: Path) -> Iterator[KafkaCluster]:
    options = secure_options(certificates, PASSWORD)
    with KafkaCluster(kafka_jars, java=quick_java(kafka_jars), **options) as cluster:
        Topics(cluster.bootstrap).create("t")
        yield cluster


def sink(cluster: KafkaCluster, listener: str, **settings: Any) -> KafkaSink:
    config: dict[str, Any] = {"brokers": cluster.addresses(listener), "topic": "t", **settings}
    return KafkaSink(KafkaConfig(**config))


def deliver(made: KafkaSink) -> None:
    batch = whole_transaction(0x1000, 3)
    try:
        made.open(FEED)
        made.write(batch)
        assert made.flush(20).durable == batch.last
    finally:
        made.close()


def refusal(made: KafkaSink, kind: type[BridgeError] = EnvironmentProblem) -> str:
    with pytest.raises(kind) as raised:
        deliver(made)
    assert PASSWORD not in str(raised.value)
    return str(raised.value)


def account(mechanism: Any, user: str, password: str = PASSWORD) -> SaslConfig:
    return SaslConfig(mechanism=mechanism, username=user, password=Secret(password))


@pytest.mark.parametrize("tls", [False, True], ids=["plain-text", "tls"])
@pytest.mark.parametrize(
    ("mechanism", "user"),
    [("PLAIN", PLAIN_USER), ("SCRAM-SHA-256", SCRAM_USER), ("SCRAM-SHA-512", SCRAM_USER)],
)
@pytest.mark.parametrize("delivery", ["at_least_once", "exactly_once"])
def test_a_user_with_a_password_is_let_in(
    delivery: Any, mechanism: str, user: str, tls: bool, cluster: KafkaCluster, certificates: Path
) -> None:
    encryption = TlsConfig(ca_file=str(certificates / "ca.pem")) if tls else None
    sasl = account(mechanism, user)
    unique = f"positions-{mechanism}-{tls}"
    made = sink(
        cluster, "TLS" if tls else "SASL", sasl=sasl, tls=encryption, delivery=delivery,
        positions_topic=unique,
    )  # fmt: skip
    deliver(made)


@pytest.mark.parametrize(
    ("mechanism", "user"), [("PLAIN", PLAIN_USER), ("SCRAM-SHA-512", SCRAM_USER)]
)
def test_a_wrong_password_stops_the_bridge(
    mechanism: str, user: str, cluster: KafkaCluster
) -> None:
    message = refusal(sink(cluster, "SASL", sasl=account(mechanism, user, "wrong")))
    assert "uthentication" in message


def test_a_certificate_of_another_authority_stops_the_bridge(
    cluster: KafkaCluster, certificates: Path
) -> None:
    tls = TlsConfig(ca_file=str(certificates / "other-ca.pem"))
    message = refusal(sink(cluster, "TLS", sasl=account("PLAIN", PLAIN_USER), tls=tls))
    assert "certificate" in message


def test_a_certificate_for_another_name_stops_the_bridge(
    cluster: KafkaCluster, certificates: Path
) -> None:
    port = cluster.brokers[0].ports["TLS"]
    made = KafkaSink(
        KafkaConfig(
            brokers=f"localhost:{port}",
            topic="t",
            sasl=account("PLAIN", PLAIN_USER),
            tls=TlsConfig(ca_file=str(certificates / "ca.pem")),
        )
    )
    assert "certificate" in refusal(made)


def test_a_missing_file_is_named(cluster: KafkaCluster) -> None:
    message = refusal(sink(cluster, "TLS", tls=TlsConfig(ca_file="/nowhere/ca.pem")))
    assert "/nowhere/ca.pem" in message


@pytest.mark.parametrize("delivery", ["at_least_once", "exactly_once"])
def test_a_user_without_rights_stops_the_bridge(delivery: Any, cluster: KafkaCluster) -> None:
    sasl = account("SCRAM-SHA-256", STRANGER)
    message = refusal(sink(cluster, "SASL", sasl=sasl, delivery=delivery))
    assert "authorization" in message.lower()
    assert "'t'" in message


def _token(lifetime_s: int = 300) -> str:
    now = int(time.time())
    claims = {"sub": "bearer", "iat": now, "exp": now + lifetime_s}
    parts = ({"alg": "none"}, claims)
    encoded = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts
    ]
    return ".".join([*encoded, ""])


class _TokenEndpoint(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        expected = base64.b64encode(f"client:{PASSWORD}".encode()).decode()
        allowed = self.headers.get("Authorization") == f"Basic {expected}"
        body = json.dumps({"access_token": _token()} if allowed else {"error": "invalid_client"})
        self.send_response(200 if allowed else 401)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def token_endpoint() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), _TokenEndpoint) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/token"
        server.shutdown()
        thread.join()


def bearer(url: str, secret: str) -> SaslConfig:
    return SaslConfig(
        mechanism="OAUTHBEARER", token_url=url, client_id="client", client_secret=Secret(secret)
    )


def test_a_token_of_an_identity_provider_lets_in(cluster: KafkaCluster) -> None:
    with token_endpoint() as url:
        deliver(sink(cluster, "SASL", sasl=bearer(url, PASSWORD)))


def test_an_identity_provider_that_gives_no_token_stops_the_bridge(cluster: KafkaCluster) -> None:
    with token_endpoint() as url:
        message = refusal(sink(cluster, "SASL", sasl=bearer(url, "wrong")))
    assert "invalid_client" in message or "uthentication" in message


def test_a_cluster_that_wants_tls_and_gets_none_is_retried_with_a_hint(
    cluster: KafkaCluster,
) -> None:
    message = refusal(sink(cluster, "TLS"), Transient)
    assert cluster.addresses("TLS") in message
