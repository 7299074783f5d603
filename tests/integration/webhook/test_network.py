"""Connections: lost, slow, stale, encrypted, and to addresses that are not meant."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from bridge.core.errors import DeliveryGivenUp, EnvironmentProblem
from bridge.core.retry import RetryPolicy
from sinks.webhook import TlsConfig, addresses
from tests.fixtures.certificates import Authority, server_context
from tests.fixtures.delivered import without_repeats
from tests.fixtures.events import as_json, make_batch, whole_transaction
from tests.fixtures.waiting import eventually
from tests.fixtures.webhook_receiver import (
    LORIS,
    OK,
    RESET_AFTER_BODY,
    SILENCE,
    Reply,
    WebhookReceiver,
)
from tests.integration.webhook.conftest import MakeSink

BATCH = whole_transaction(0x1000, 12)
ONCE = RetryPolicy(max_retries=0)


# Faults


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (RESET_AFTER_BODY, "closed before the answer"),
        (SILENCE, "took too long"),
        (LORIS, "took too long"),
        (Reply(how="no_http"), "not HTTP"),
        (Reply(503), "status 503"),
    ],
)
def test_after_a_fault_the_request_is_repeated(
    fault: Reply, words: str, receiver: WebhookReceiver, make_sink: MakeSink
) -> None:
    receiver.answer(fault, OK, fault, fault)
    sink = make_sink(lanes=1, timeout_seconds=0.4)
    with capture_logs() as logs:
        sink.write(BATCH)
        assert sink.flush(20).durable == BATCH.last
    kept = receiver.kept()
    assert without_repeats(kept) == as_json([BATCH])
    errors = [entry["error"] for entry in logs if entry["event"] == "sink_retry"]
    assert errors
    assert all(words in error for error in errors)
    print(f"sent {len(receiver.requests)} confirmed {len(BATCH)} duplicated "
          f"{len(kept) - len(BATCH)} lost 0")  # fmt: skip


def test_a_receiver_that_says_nothing_for_too_long_is_left(
    receiver: WebhookReceiver, make_sink: MakeSink
) -> None:
    receiver.answer(SILENCE)
    sink = make_sink(timeout_seconds=3600, read_timeout_seconds=0.2)
    sink.write(BATCH)
    assert sink.flush(20).durable == BATCH.last


def test_a_receiver_that_goes_away_gets_the_rest_when_it_is_back(
    receiver: WebhookReceiver, make_sink: MakeSink
) -> None:
    sink = make_sink(lanes=1)
    first, second = whole_transaction(0x1000, 5), whole_transaction(0x2000, 5)
    sink.write(first)
    assert sink.flush(10).durable == first.last
    receiver.stop()
    sink.write(second)
    assert sink.flush(0.3).durable == first.last
    receiver.start()
    assert sink.flush(10).durable == second.last
    assert receiver.kept() == as_json([first, second])


def test_a_connection_that_was_closed_for_being_idle_costs_nothing(
    receiver: WebhookReceiver, make_sink: MakeSink
) -> None:
    sink = make_sink(lanes=1)
    with capture_logs() as logs:
        for i in range(3):
            batch = whole_transaction(0x1000 * (i + 1), 1)
            sink.write(batch)
            assert sink.flush(10).durable == batch.last
            receiver.stop()
            receiver.start()
        receiver.always(Reply(keep_alive=False))
        sink.write(whole_transaction(0x9000, 4))
        sink.flush(10)
    assert len(receiver.kept()) == 7
    assert receiver.connections == 7
    assert logs == []


def test_an_answer_without_end_is_cut_off(receiver: WebhookReceiver, make_sink: MakeSink) -> None:
    receiver.always(Reply(200, body=b"x" * 3_000_000))
    sink = make_sink(lanes=1)
    sink.write(BATCH)
    assert sink.flush(20).durable == BATCH.last
    assert receiver.connections == len(BATCH)


def test_an_answer_that_comes_before_the_body_was_sent_counts(make_sink: MakeSink) -> None:
    refusal = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def refuse() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection:
                        connection.recv(1000)  # and leave the rest of the body where it is
                        connection.sendall(refusal)

        threading.Thread(target=refuse, daemon=True).start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        sink = make_sink(url=url, lanes=1, retry=RetryPolicy(max_retries=20))
        large = make_batch((0x1000, 0), names=["x" * 20_000_000])
        sink.write(large)
        progress = sink.flush(20)
        assert [rejection.reason for rejection in progress.rejections] == [
            "The receiver refused it with status 413."
        ]
        assert progress.durable == large.last
        listener.shutdown(socket.SHUT_RDWR)


def test_closing_does_not_wait_for_a_receiver(
    receiver: WebhookReceiver, make_sink: MakeSink
) -> None:
    receiver.always(SILENCE)
    sink = make_sink(lanes=3, timeout_seconds=3600)
    sink.write(BATCH)
    eventually(lambda: len(receiver.requests) == 3, message="all lanes wait")
    begin = time.monotonic()
    sink.close()
    assert time.monotonic() - begin < 4  # joining one lane that does not end takes 5
    assert len(receiver.requests) == 3


# TLS


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


def last_error(sink: Any) -> str:
    sink.write(BATCH)
    with pytest.raises(DeliveryGivenUp) as raised:
        sink.flush(10)
    return str(raised.value)


def test_a_receiver_with_a_certificate_of_a_known_authority(
    authority: Authority, make_sink: MakeSink
) -> None:
    certificate = authority.certificate("both", "IP:127.0.0.1", "DNS:localhost")
    with WebhookReceiver(tls=server_context(certificate)) as receiver:
        for host in ("127.0.0.1", "localhost"):
            sink = make_sink(
                url=receiver.url(host=host), tls=TlsConfig(ca_file=str(authority.file))
            )
            sink.write(BATCH)
            assert sink.flush(10).durable == BATCH.last
        assert len(receiver.requests) == 2 * len(BATCH)
        assert receiver.connections <= 16


def test_any_other_certificate_is_refused_before_anything_is_sent(
    authority: Authority, tmp_path: Path, make_sink: MakeSink
) -> None:
    good = authority.certificate("good", "IP:127.0.0.1")
    wrong_name = authority.certificate("wrong", "DNS:example.com")
    stranger = Authority(tmp_path, "stranger").certificate("strange", "IP:127.0.0.1")
    ours = TlsConfig(ca_file=str(authority.file))
    for certificate, tls, words in (
        (wrong_name, ours, "IP address mismatch"),
        (stranger, ours, "unable to get local issuer"),
        (good, TlsConfig(), "unable to get local issuer"),
    ):
        with WebhookReceiver(tls=server_context(certificate)) as receiver:
            sink = make_sink(url=receiver.url(), tls=tls, retry=ONCE)
            error = last_error(sink)
            assert "certificate is not accepted" in error
            assert words in error
            assert receiver.requests == []


def test_a_receiver_may_ask_for_a_certificate(authority: Authority, make_sink: MakeSink) -> None:
    client = authority.certificate("client")
    context = server_context(authority.certificate("mtls", "IP:127.0.0.1"), clients_of=authority)
    with WebhookReceiver(tls=context) as receiver:
        ours = str(authority.file)
        shown = TlsConfig(ca_file=ours, cert_file=str(client.cert), key_file=str(client.key))
        sink = make_sink(url=receiver.url(), tls=shown)
        sink.write(BATCH)
        assert sink.flush(10).durable == BATCH.last
        requests = len(receiver.requests)
        without = make_sink(url=receiver.url(), tls=TlsConfig(ca_file=ours), retry=ONCE)
        assert receiver.url()[:-5] in last_error(without)
        assert len(receiver.requests) == requests


def test_https_to_a_receiver_of_http_is_explained(
    receiver: WebhookReceiver, make_sink: MakeSink
) -> None:
    sink = make_sink(url=receiver.url().replace("http:", "https:"), retry=ONCE)
    assert "TLS failed" in last_error(sink)


# Addresses that are not meant


def test_a_name_that_leads_to_this_machine_is_not_connected_to(
    receiver: WebhookReceiver, make_sink: MakeSink
) -> None:
    sink = make_sink(url=receiver.url(host="localhost"), allow_private_addresses=False)
    sink.write(BATCH)
    with pytest.raises(EnvironmentProblem, match="not on the public internet"):
        sink.flush(10)
    assert receiver.connections == 0


class Resolver:
    """Answers each question for one name with the next list of addresses."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, name: str, *answers: list[str]) -> None:
        self._name = name
        self._answers = list(answers)
        self.asked = 0
        self._real = socket.getaddrinfo
        monkeypatch.setattr(addresses.socket, "getaddrinfo", self.resolve)

    def resolve(self, host: str, port: int, *arguments: Any, **named: Any) -> list[Any]:
        if host != self._name:
            return self._real(host, port, *arguments, **named)
        self.asked += 1
        found = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return [answer for ip in found for answer in self._real(ip, port, *arguments, **named)]


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "::ffff:127.0.0.1", "::1", "169.254.169.254", "0.0.0.0"]
)
def test_a_name_of_the_outside_world_may_not_lead_inside(
    address: str,
    monkeypatch: pytest.MonkeyPatch,
    receiver: WebhookReceiver,
    make_sink: MakeSink,
) -> None:
    Resolver(monkeypatch, "hooks.example", [address])
    sink = make_sink(url=receiver.url(host="hooks.example"), allow_private_addresses=False)
    sink.write(BATCH)
    with pytest.raises(EnvironmentProblem, match=r"hooks\.example"):
        sink.flush(10)
    assert receiver.connections == 0


def test_the_address_that_was_judged_is_the_one_that_is_connected_to(
    monkeypatch: pytest.MonkeyPatch, receiver: WebhookReceiver, make_sink: MakeSink
) -> None:
    # The second answer would lead to a place where nobody listens.
    resolver = Resolver(monkeypatch, "hooks.example", ["127.0.0.1"], ["127.0.0.2"])
    sink = make_sink(url=receiver.url(host="hooks.example"), lanes=1)
    sink.write(BATCH)
    assert sink.flush(10).durable == BATCH.last
    assert resolver.asked == 1
    assert receiver.requests[0].headers["Host"] == f"hooks.example:{receiver.port}"


def test_of_several_addresses_the_next_is_tried(
    monkeypatch: pytest.MonkeyPatch, receiver: WebhookReceiver, make_sink: MakeSink
) -> None:
    Resolver(monkeypatch, "hooks.example", ["::1", "127.0.0.1"])
    sink = make_sink(url=receiver.url(host="hooks.example"), retry=ONCE)
    sink.write(BATCH)
    assert sink.flush(10).durable == BATCH.last


def test_proxies_of_the_environment_are_not_used(
    monkeypatch: pytest.MonkeyPatch, receiver: WebhookReceiver, make_sink: MakeSink
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    sink = make_sink(retry=ONCE)
    sink.write(BATCH)
    assert sink.flush(10).durable == BATCH.last
