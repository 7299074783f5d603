"""How the registry lets us in, what every refusal leads to, and that no secret is told."""

from __future__ import annotations

import socket
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from bridge.core.errors import BridgeError, ConfigError, EnvironmentProblem, Transient
from bridge.core.secret import Secret
from sinks.schema_registry.client import SchemaRegistryClient
from sinks.schema_registry.config import SchemaRegistryConfig
from sinks.schema_registry.errors import SchemaRefused
from tests.fixtures.certificates import Authority, server_context
from tests.fixtures.schema_registry.gate import Gate, gate_to
from tests.fixtures.schema_registry.server import RegistryApi

CANARY = "c4nary-s3cret"
BASIC = {"username": "app", "password": Secret(CANARY)}
BASIC_HEADER = "Basic YXBwOmM0bmFyeS1zM2NyZXQ="
BEARER = {"token": Secret(CANARY)}


@pytest.fixture
def gate(schema_registry: RegistryApi) -> Iterator[Gate]:
    with gate_to(schema_registry.url) as gate:
        yield gate


def ask(url: str, **settings: Any) -> int:
    """Register the schema ``string``."""
    with closing(SchemaRegistryClient(SchemaRegistryConfig(url=url, **settings))) as client:
        return client.schema_id("access-value", "AVRO", '"string"')


def told(url: str, **settings: Any) -> BridgeError | SchemaRefused:
    """Return the error of a registration, which says nothing of the secret, nor do its causes."""
    with pytest.raises((BridgeError, SchemaRefused)) as failed:
        ask(url, **settings)
    error = failed.value
    said = "".join(traceback.format_exception(error)) + repr(error.__dict__)
    assert CANARY not in said
    assert BASIC_HEADER.split()[1] not in said
    assert isinstance(error, BridgeError | SchemaRefused)
    return error


@pytest.mark.parametrize(
    ("settings", "header"), [(BASIC, BASIC_HEADER), (BEARER, f"Bearer {CANARY}"), ({}, None)]
)
def test_we_say_who_we_are(gate: Gate, settings: dict[str, Any], header: str | None) -> None:
    gate.authorization = header
    assert ask(gate.url, **settings) > 0
    assert gate.seen == [header]


def test_no_netrc_is_looked_into(
    gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine 127.0.0.1 login app password {CANARY}\n")
    monkeypatch.setenv("NETRC", str(netrc))
    ask(gate.url)
    assert gate.seen == [None]


@pytest.mark.parametrize("settings", [BASIC, BEARER])
def test_who_is_not_let_in_has_to_see_to_it(gate: Gate, settings: dict[str, Any]) -> None:
    gate.authorization = "Basic of somebody else"
    assert isinstance(told(gate.url, **settings), EnvironmentProblem)


ANSWERS: list[tuple[int, str, type[Exception]]] = [
    (403, "", EnvironmentProblem),
    (404, "<html>Not Found</html>", EnvironmentProblem),
    (404, '{"error_code": 404, "message": "HTTP 404 Not Found"}', EnvironmentProblem),
    (404, '{"error_code": 40401, "message": "Subject not found"}', SchemaRefused),
    (404, '{"error_code": 40403, "message": "Schema not found"}', SchemaRefused),
    (409, f'{{"error_code": 409, "message": "Incompatible with {CANARY}"}}', SchemaRefused),
    (422, '{"error_code": 42201, "message": "Invalid schema"}', SchemaRefused),
    (408, "", Transient),
    (429, "", Transient),
    (500, '{"error_code": 50002, "message": "Timed out"}', Transient),
    (503, "", Transient),
    (200, "<html>Welcome</html>", EnvironmentProblem),
    (200, "[1]", EnvironmentProblem),
]


@pytest.mark.parametrize(("status", "body", "expected"), ANSWERS)
@pytest.mark.parametrize("settings", [BASIC, BEARER])
def test_what_an_answer_leads_to(
    gate: Gate, status: int, body: str, expected: type[Exception], settings: dict[str, Any]
) -> None:
    gate.answer = (status, {}, body)
    assert type(told(gate.url, **settings)) is expected


def test_redirects_are_not_followed(gate: Gate, schema_registry: RegistryApi) -> None:
    with gate_to(schema_registry.url) as other:
        gate.answer = (307, {"Location": f"{other.url}/subjects/access-value/versions"}, "")
        assert isinstance(told(gate.url, **BASIC), EnvironmentProblem)
        assert other.seen == []


def test_who_does_not_answer_is_asked_again_later() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        assert isinstance(told(url, **BASIC), Transient)  # nobody listens
        silent.listen()
        assert isinstance(told(url, **BASIC, timeout_seconds=0.2), Transient)


@pytest.mark.parametrize("settings", [{"token": Secret(f"{CANARY}\n")}, {"token": Secret("é漢")}])
def test_credentials_that_no_header_can_hold(gate: Gate, settings: dict[str, Any]) -> None:
    assert isinstance(told(gate.url, **settings), ConfigError)


def test_tls_is_verified_both_ways(schema_registry: RegistryApi, tmp_path: Path) -> None:
    authority, stranger = Authority(tmp_path), Authority(tmp_path, "stranger")
    server = authority.certificate("registry", "IP:127.0.0.1")
    client = authority.certificate("client")
    wrong_name = authority.certificate("elsewhere", "DNS:elsewhere.example")
    ours = {"cert_file": str(client.cert), "key_file": str(client.key)}
    known = {"ca_file": str(authority.file)}
    with ExitStack() as gates:

        def gate_with(context: Any) -> str:
            return gates.enter_context(gate_to(schema_registry.url, context)).url

        url = gate_with(server_context(server))
        assert ask(url, **known) > 0
        assert isinstance(told(url), EnvironmentProblem)
        assert isinstance(told(url, ca_file=str(stranger.file)), EnvironmentProblem)
        assert isinstance(told(gate_with(server_context(wrong_name)), **known), EnvironmentProblem)
        asking = gate_with(server_context(server, clients_of=authority))
        assert ask(asking, **known, **ours) > 0
        with pytest.raises((EnvironmentProblem, Transient)):
            ask(asking, **known)
