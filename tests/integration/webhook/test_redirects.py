"""Redirects, where they are allowed: which are followed, where to, and what is told there."""

from __future__ import annotations

import hmac
import socket
from base64 import b64decode
from collections.abc import Iterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from bridge.core.errors import EnvironmentProblem
from bridge.core.secret import Secret
from sinks.webhook import BatchConfig, TlsConfig, addresses
from sinks.webhook.addresses import is_public
from sinks.webhook.signatures import SigningSecret
from tests.fixtures.certificates import Authority, server_context
from tests.fixtures.events import as_json, whole_transaction
from tests.fixtures.waiting import eventually
from tests.fixtures.webhook_receiver import OK, Received, Reply, WebhookReceiver
from tests.integration.webhook.conftest import MakeSink

# Python's `ssl` leaves a socket to its destructor if the peer resets the connection just before the
# handshake, as a receiver may that ends while its address is still being tried.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <ssl.SSLSocket:pytest.PytestUnraisableExceptionWarning"
)

BATCH = whole_transaction(0x1000, 4)
SIGNING_SECRET = SigningSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
CONFIDENTIAL: dict[str, Any] = {
    "headers": {"X-Team": "data", "User-Agent": "ours/1.0"},
    "secret_headers": {"X-Api-Key": Secret("key")},
    "bearer_token": Secret("token"),
}


@pytest.fixture
def elsewhere() -> Iterator[WebhookReceiver]:
    """A receiver on another port, so of another origin."""
    with WebhookReceiver() as running:
        yield running


def to(location: str, status: int = 307) -> Reply:
    return Reply(status, {"Location": location})


def deliver(sink: Any) -> None:
    sink.write(BATCH)
    assert sink.flush(10).durable == BATCH.last


def refusal(sink: Any) -> str:
    sink.write(BATCH)
    with pytest.raises(EnvironmentProblem) as raised:
        sink.flush(10)
    return str(raised.value)


def is_signed(request: Received) -> bool:
    headers = request.headers
    content = f"{headers['Webhook-Id']}.{headers['Webhook-Timestamp']}.".encode() + request.body
    key = b64decode(SIGNING_SECRET.reveal().removeprefix("whsec_"))
    signature = b64decode(headers["Webhook-Signature"].removeprefix("v1,"))
    return hmac.compare_digest(signature, hmac.digest(key, content, "sha256"))


# What is followed


@pytest.mark.parametrize("status", [307, 308])
@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize("batch", [None, BatchConfig(max_events=2)])
def test_method_and_body_are_kept(
    status: int,
    method: str,
    batch: BatchConfig | None,
    receiver: WebhookReceiver,
    elsewhere: WebhookReceiver,
    make_sink: MakeSink,
) -> None:
    receiver.always(to(elsewhere.url("/new?a=b%20c#part"), status))
    deliver(make_sink(lanes=1, allow_redirects=True, method=method, batch=batch))
    assert elsewhere.kept() == as_json([BATCH])
    assert {(r.method, r.path) for r in elsewhere.requests} == {(method, "/new?a=b%20c")}
    assert receiver.requests[0].body == elsewhere.requests[0].body
    assert elsewhere.requests[0].headers["Host"] == f"127.0.0.1:{elsewhere.port}"


def test_a_relative_place_is_one_of_the_same_origin(
    receiver: WebhookReceiver, make_sink: MakeSink
) -> None:
    receiver.answer(to("hook/"), OK, to("?b"), OK, to("/other"), OK)
    deliver(make_sink(url=receiver.url("/v1/hook?a"), lanes=1, allow_redirects=True))
    kept = [request.path for request in receiver.requests if request.reply.keeps]
    assert kept == ["/v1/hook/", "/v1/hook?b", "/other", "/v1/hook?a"]
    assert receiver.connections == 1


@pytest.mark.parametrize("status", [301, 302, 303])
def test_what_turns_a_request_into_a_get_is_not_followed(
    status: int, receiver: WebhookReceiver, elsewhere: WebhookReceiver, make_sink: MakeSink
) -> None:
    receiver.always(to(elsewhere.url("/canary"), status))
    words = refusal(make_sink(lanes=1, allow_redirects=True))
    assert f"status {status}" in words
    assert "into a GET" in words
    assert "canary" not in words
    assert (len(receiver.requests), elsewhere.connections) == (1, 0)


def test_three_hops_are_followed_and_no_more(
    receiver: WebhookReceiver, make_sink: MakeSink
) -> None:
    receiver.answer(to("/1"), to("/2"), to("/3"), OK)
    sink = make_sink(lanes=1, allow_redirects=True)
    sink.write(whole_transaction(0x900, 1))
    assert sink.flush(10).durable == whole_transaction(0x900, 1).last
    receiver.always(to(receiver.url("/circle")))
    assert "after 3 redirects" in refusal(sink)
    assert [r.path for r in receiver.requests] == [
        "/hook", "/1", "/2", "/3", "/hook", "/circle", "/circle", "/circle",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({}, "without saying where to"),
        ({"Location": "ftp://canary/"}, "not a web address"),
        ({"Location": "http://canary canary/"}, "not a web address"),
        ({"Location": "http://[canary/"}, "not a web address"),
        ({"Location": "http://canary:99999/"}, "not a web address"),
    ],
)
def test_a_redirect_to_nowhere_stops_the_sink(
    headers: dict[str, str], words: str, receiver: WebhookReceiver, make_sink: MakeSink
) -> None:
    receiver.always(Reply(307, headers))
    said = refusal(make_sink(lanes=1, allow_redirects=True))
    assert words in said
    assert "canary" not in said


# What the answers of the other place mean


def test_the_answer_of_the_last_place_counts(
    receiver: WebhookReceiver, elsewhere: WebhookReceiver, make_sink: MakeSink
) -> None:
    receiver.always(to(elsewhere.url()))
    elsewhere.answer(Reply(503), OK, Reply(422))
    sink = make_sink(lanes=1, allow_redirects=True)
    with capture_logs() as logs:
        sink.write(BATCH)
        progress = sink.flush(10)
    assert progress.durable == BATCH.last
    assert [rejection.position for rejection in progress.rejections] == [BATCH.events[1].position]
    (failure,) = logs
    assert failure["error"] == f"{receiver.url('')} (redirected) answered with status 503."
    assert len(receiver.requests) == len(elsewhere.requests) == len(BATCH) + 1


def test_a_place_that_cannot_be_reached_is_tried_again(
    receiver: WebhookReceiver, elsewhere: WebhookReceiver, make_sink: MakeSink
) -> None:
    elsewhere.stop()
    receiver.always(to(elsewhere.url("/canary")))
    sink = make_sink(lanes=1, allow_redirects=True)
    with capture_logs() as logs:
        sink.write(BATCH)
        eventually(lambda: len(logs) >= 2, message="attempts that fail")
        elsewhere.start()
        assert sink.flush(10).durable == BATCH.last
    assert elsewhere.kept() == as_json([BATCH])
    assert all("(redirected)" in entry["error"] for entry in logs)
    assert "canary" not in str(logs)


@pytest.mark.parametrize(("status", "asked"), [(307, 4), (308, 1)])
def test_a_place_to_stay_at_is_remembered(
    status: int,
    asked: int,
    receiver: WebhookReceiver,
    elsewhere: WebhookReceiver,
    make_sink: MakeSink,
) -> None:
    receiver.always(to(elsewhere.url(), status))
    deliver(make_sink(lanes=1, allow_redirects=True))
    assert len(receiver.requests) == asked
    assert elsewhere.connections == asked
    assert elsewhere.kept() == as_json([BATCH])


@pytest.mark.parametrize("trouble", [Reply(503), Reply(how="reset"), Reply(422)])
def test_a_remembered_place_is_forgotten_when_it_does_not_answer_with_2xx(
    trouble: Reply, receiver: WebhookReceiver, elsewhere: WebhookReceiver, make_sink: MakeSink
) -> None:
    receiver.answer(to(elsewhere.url(), 308))
    elsewhere.answer(OK, OK, trouble, trouble)
    sink = make_sink(lanes=1, allow_redirects=True)
    sink.write(BATCH)
    assert sink.flush(10).durable == BATCH.last
    assert len(elsewhere.requests) in (3, 4)  # a reset is tried once more on a new connection
    assert receiver.kept()[-1] == as_json([BATCH])[-1]


def test_a_permanent_redirect_behind_a_temporary_one_is_not_remembered(
    receiver: WebhookReceiver, elsewhere: WebhookReceiver, make_sink: MakeSink
) -> None:
    receiver.answer(to("/today", 307), to(elsewhere.url(), 308))
    deliver(make_sink(lanes=1, allow_redirects=True))
    assert len(elsewhere.requests) == 1
    assert [r.path for r in receiver.requests] == ["/hook", "/today", "/hook", "/hook", "/hook"]


# What is told


def test_another_origin_learns_nothing_confidential(
    receiver: WebhookReceiver, elsewhere: WebhookReceiver, make_sink: MakeSink
) -> None:
    receiver.always(to(elsewhere.url("/new", account="evil:account@")))
    sink = make_sink(
        lanes=1,
        allow_redirects=True,
        compression="gzip",
        signing_secret=SIGNING_SECRET,
        **CONFIDENTIAL,
    )
    deliver(sink)
    assert receiver.requests[0].headers["Authorization"] == "Bearer token"
    for request in elsewhere.requests:
        assert set(request.headers) == {
            "Host", "User-Agent", "Accept", "Content-Type", "Content-Encoding", "Content-Length",
            "Webhook-Id", "Idempotency-Key", "Webhook-Timestamp", "Webhook-Signature",
        }  # fmt: skip
        assert request.headers["User-Agent"] == "pgbridge"
        assert is_signed(request)


@pytest.mark.parametrize("in_url", [True, False])
def test_the_same_origin_learns_what_it_knows(
    in_url: bool, receiver: WebhookReceiver, make_sink: MakeSink
) -> None:
    receiver.answer(to(receiver.url("/new", account="evil:account@")))
    account = "Aladdin:open%20sesame@" if in_url else ""
    settings = {} if in_url else CONFIDENTIAL
    deliver(make_sink(url=receiver.url(account=account), lanes=1, allow_redirects=True, **settings))
    header = "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==" if in_url else "Bearer token"
    assert [r.path for r in receiver.requests][:2] == ["/hook", "/new"]
    assert {r.headers["Authorization"] for r in receiver.requests} == {header}
    if not in_url:
        assert {r.headers["X-Api-Key"] for r in receiver.requests} == {"key"}


def test_who_leads_back_to_the_origin_does_not_make_it_hear_the_account(
    receiver: WebhookReceiver, elsewhere: WebhookReceiver, make_sink: MakeSink
) -> None:
    receiver.answer(to(elsewhere.url()))
    elsewhere.answer(to(receiver.url("/chosen-by-a-stranger")))
    deliver(make_sink(lanes=1, allow_redirects=True, **CONFIDENTIAL))
    told = {r.path: "Authorization" in r.headers for r in receiver.requests}
    assert told == {"/hook": True, "/chosen-by-a-stranger": False}


# Where to


def test_a_redirect_into_a_private_network_is_refused(
    monkeypatch: pytest.MonkeyPatch, receiver: WebhookReceiver, make_sink: MakeSink
) -> None:
    # 127.0.0.1 plays the public internet, 127.0.0.2 does not.
    monkeypatch.setattr(addresses, "is_public", lambda ip: ip == "127.0.0.1" or is_public(ip))
    with WebhookReceiver(host="127.0.0.2") as inside:
        receiver.always(to(inside.url("/canary")))
        sink = make_sink(
            url=receiver.url(host="localhost"),
            lanes=1,
            allow_redirects=True,
            allow_private_addresses=False,
        )
        words = refusal(sink)
        assert "(redirected) has the address 127.0.0.2" in words
        assert "not on the public internet" in words
        assert "canary" not in words
        assert inside.connections == 0


def test_the_address_of_a_redirect_is_judged_and_connected_to_at_once(
    monkeypatch: pytest.MonkeyPatch,
    receiver: WebhookReceiver,
    elsewhere: WebhookReceiver,
    make_sink: MakeSink,
) -> None:
    asked: list[str] = []
    real = socket.getaddrinfo

    def resolve(host: str, port: int, *arguments: Any, **named: Any) -> list[Any]:
        if host != "new.example":
            return real(host, port, *arguments, **named)
        asked.append(host)  # the second answer would lead to a place where nobody listens
        return real(f"127.0.0.{len(asked)}", port, *arguments, **named)

    monkeypatch.setattr(addresses.socket, "getaddrinfo", resolve)
    receiver.answer(to(elsewhere.url(host="new.example"), 308))
    deliver(make_sink(lanes=1, allow_redirects=True))
    assert len(asked) == 1
    assert elsewhere.requests[0].headers["Host"] == f"new.example:{elsewhere.port}"


# TLS


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


def test_from_https_to_http_nothing_is_followed(
    authority: Authority, elsewhere: WebhookReceiver, make_sink: MakeSink
) -> None:
    context = server_context(authority.certificate("here", "IP:127.0.0.1"))
    with WebhookReceiver(tls=context) as secure:
        secure.always(to(elsewhere.url()))
        tls = TlsConfig(ca_file=str(authority.file))
        words = refusal(make_sink(url=secure.url(), tls=tls, lanes=1, allow_redirects=True))
    assert "from https to http" in words
    assert elsewhere.connections == 0


def test_the_client_certificate_is_shown_to_the_origin_only(
    authority: Authority, make_sink: MakeSink
) -> None:
    client = authority.certificate("client")
    server = authority.certificate("server", "IP:127.0.0.1")
    tls = TlsConfig(
        ca_file=str(authority.file), cert_file=str(client.cert), key_file=str(client.key)
    )
    asking = server_context(server, clients_of=authority)
    with WebhookReceiver(tls=asking) as here, WebhookReceiver(tls=server_context(server)) as there:
        here.answer(to("/new"), OK, to(there.url()))
        deliver(make_sink(url=here.url(), tls=tls, lanes=1, allow_redirects=True))
        assert [r.path for r in here.requests if r.reply.keeps] == ["/new", "/hook", "/hook"]
        assert len(there.requests) == 1
    with WebhookReceiver(tls=asking) as here, WebhookReceiver(tls=asking) as there:
        here.always(to(there.url()))
        sink = make_sink(url=here.url(), tls=tls, lanes=1, allow_redirects=True)
        with capture_logs() as logs:
            sink.write(BATCH)
            eventually(lambda: len(logs) >= 2, message="the other one misses a certificate")
        assert there.requests == []
