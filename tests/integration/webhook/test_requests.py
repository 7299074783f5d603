"""What a receiver gets: method, headers, bodies, identifiers, signatures, accounts."""

from __future__ import annotations

import gzip
import hmac
import json
from base64 import b64decode

import pytest

from bridge.core.events import EventBatch
from bridge.core.secret import Secret
from sinks.formats import encode_batch
from sinks.webhook import BatchConfig
from sinks.webhook.signatures import SigningSecret
from tests.fixtures.events import as_json, many_transactions, whole_transaction
from tests.fixtures.waiting import eventually
from tests.fixtures.webhook_receiver import Reply, WebhookReceiver
from tests.integration.webhook.conftest import MakeSink

BATCH = whole_transaction(0x1000, 3)
OLD = SigningSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
NEW = SigningSecret("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")


def test_each_event_is_a_request_of_its_own(receiver: WebhookReceiver, make_sink: MakeSink) -> None:
    sink = make_sink(lanes=1)
    sink.write(BATCH)
    assert sink.flush(10).durable == BATCH.last
    assert [r.body.decode() for r in receiver.requests] == encode_batch(BATCH)
    for request, event in zip(receiver.requests, BATCH.events, strict=True):
        assert request.method == "POST"
        assert request.path == "/hook"
        assert request.headers["Content-Type"] == "application/json"
        assert request.headers["Webhook-Id"] == event.event_id
        assert request.headers["Idempotency-Key"] == event.event_id
        assert request.headers["Host"] == f"127.0.0.1:{receiver.port}"
        assert "Authorization" not in request.headers
        assert "Webhook-Signature" not in request.headers
    assert receiver.connections == 1


def test_the_format_tells_the_kind_of_the_body(
    receiver: WebhookReceiver, make_sink: MakeSink
) -> None:
    sink = make_sink(format="cloudevents", lanes=1)
    sink.write(BATCH)
    sink.flush(10)
    (event,) = receiver.requests[0].events
    assert event["specversion"] == "1.0"
    assert receiver.requests[0].headers["Content-Type"] == "application/cloudevents+json"


def test_method_path_and_headers_are_those_of_the_configuration(
    receiver: WebhookReceiver, make_sink: MakeSink
) -> None:
    sink = make_sink(
        url=receiver.url("/a/b?c=d%20e"),
        method="PUT",
        headers={"X-Team": "data", "user-agent": "ours/1.0"},
        secret_headers={"X-Api-Key": Secret("key")},
    )
    sink.write(BATCH)
    sink.flush(10)
    request = receiver.requests[0]
    assert (request.method, request.path) == ("PUT", "/a/b?c=d%20e")
    assert request.headers["X-Team"] == "data"
    assert request.headers["X-Api-Key"] == "key"
    assert request.headers["User-Agent"] == "ours/1.0"


def test_a_batch_is_one_document(receiver: WebhookReceiver, make_sink: MakeSink) -> None:
    sink = make_sink(lanes=1, batch=BatchConfig(max_events=100, max_delay_ms=60_000))
    batches = many_transactions(4)
    for batch in batches:
        sink.write(batch)
    assert sink.flush(10).durable == batches[-1].last
    assert [json.loads(r.body) for r in receiver.requests] == [{"data": as_json(batches)}]


@pytest.mark.parametrize(
    ("limits", "sizes"),
    [
        (BatchConfig(max_events=4), [4, 4, 4]),
        (BatchConfig(max_events=5), [5, 5, 2]),
        (BatchConfig(max_bytes=1), [1] * 12),
        (BatchConfig(max_bytes=1200), [3, 3, 3, 3]),
    ],
)
def test_a_batch_has_limits(
    limits: BatchConfig, sizes: list[int], receiver: WebhookReceiver, make_sink: MakeSink
) -> None:
    sink = make_sink(lanes=1, batch=limits)
    sink.write(whole_transaction(0x1000, 12))
    sink.flush(10)
    assert [len(r.events) for r in receiver.requests] == sizes
    if limits.max_bytes > 1:
        assert all(len(r.body) < limits.max_bytes + 20 for r in receiver.requests)


def test_a_batch_is_sent_when_its_first_event_has_waited_long_enough(
    receiver: WebhookReceiver, make_sink: MakeSink
) -> None:
    sink = make_sink(lanes=1, batch=BatchConfig(max_events=100, max_delay_ms=50))
    sink.write(BATCH)
    eventually(lambda: sink.poll().durable == BATCH.last, message="the batch was delivered")
    assert len(receiver.requests) == 1


@pytest.mark.parametrize("batch", [None, BatchConfig(max_events=2)])
def test_a_repeated_request_has_the_same_identifier(
    batch: BatchConfig | None, receiver: WebhookReceiver, make_sink: MakeSink
) -> None:
    receiver.answer(Reply(503), Reply(503))
    sink = make_sink(lanes=1, batch=batch)
    sink.write(BATCH)
    sink.flush(10)
    ids = [request.headers["Webhook-Id"] for request in receiver.requests]
    assert ids[0] == ids[1] == ids[2] != ids[3]
    assert ids == [request.headers["Idempotency-Key"] for request in receiver.requests]


def test_a_batch_has_the_same_identifier_after_a_restart(
    receiver: WebhookReceiver, make_sink: MakeSink
) -> None:
    for _ in range(2):
        sink = make_sink(lanes=1, batch=BatchConfig())
        sink.write(BATCH)
        sink.flush(10)
    first, second = (request.headers["Webhook-Id"] for request in receiver.requests)
    assert first == second
    assert first not in {event.event_id for event in BATCH.events}


@pytest.mark.parametrize("compression", ["none", "gzip"])
@pytest.mark.parametrize("batch", [None, BatchConfig()])
def test_every_request_is_signed_as_it_is_sent(
    compression: str, batch: BatchConfig | None, receiver: WebhookReceiver, make_sink: MakeSink
) -> None:
    receiver.answer(Reply(503))
    sink = make_sink(
        compression=compression, batch=batch, signing_secret=NEW, previous_signing_secrets=(OLD,)
    )
    sink.write(BATCH)
    sink.flush(10)
    for request in receiver.requests:
        headers = request.headers
        content = f"{headers['Webhook-Id']}.{headers['Webhook-Timestamp']}.".encode()
        signatures = headers["Webhook-Signature"].split(" ")
        for secret, signature in zip((NEW, OLD), signatures, strict=True):
            key = b64decode(secret.reveal().removeprefix("whsec_"))
            digest = hmac.digest(key, content + request.body, "sha256")
            assert b64decode(signature.removeprefix("v1,")) == digest


def test_a_compressed_body_is_the_same_body(receiver: WebhookReceiver, make_sink: MakeSink) -> None:
    sink = make_sink(compression="gzip", batch=BatchConfig(), lanes=1)
    large = whole_transaction(0x1000, 400)
    sink.write(large)
    sink.flush(10)
    (request,) = receiver.requests
    assert request.headers["Content-Encoding"] == "gzip"
    assert json.loads(gzip.decompress(request.body)) == {"data": as_json([large])}
    assert len(request.body) < sum(map(len, encode_batch(large))) / 4


@pytest.mark.parametrize(
    ("settings", "account", "header"),
    [
        ({"bearer_token": Secret("abc")}, "", "Bearer abc"),
        (
            {"username": "Aladdin", "password": Secret("open sesame")},
            "",
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
        ),
        ({}, "Aladdin:open%20sesame@", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
        ({"secret_headers": {"authorization": Secret("ApiKey 1")}}, "", "ApiKey 1"),
    ],
)
def test_an_account_is_shown_to_the_receiver(
    settings: dict[str, object],
    account: str,
    header: str,
    receiver: WebhookReceiver,
    make_sink: MakeSink,
) -> None:
    sink = make_sink(url=receiver.url(account=account), **settings)
    sink.write(EventBatch(BATCH.events[:1]))
    sink.flush(10)
    (request,) = receiver.requests
    assert request.headers["Authorization"] == header
    assert request.headers["Host"] == f"127.0.0.1:{receiver.port}"
