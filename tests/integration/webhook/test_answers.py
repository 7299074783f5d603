"""What follows from each answer: done, again, refused, stop."""

from __future__ import annotations

import json
import time
from email.utils import formatdate

import pytest

from bridge.core.errors import DeliveryGivenUp, EnvironmentProblem
from bridge.core.retry import RetryPolicy
from sinks.base import Rejection
from sinks.webhook import BatchConfig, BreakerConfig, WebhookCdcConsumer, WebhookConfig
from sinks.webhook.url import Url
from tests.fixtures.events import FEED, as_json, positions, whole_transaction
from tests.fixtures.waiting import eventually
from tests.fixtures.webhook_receiver import OK, Reply, WebhookReceiver
from tests.integration.webhook.conftest import QUICK, MakeSink

BATCH = whole_transaction(0x1000, 8)
IDS = [event.event_id for event in BATCH.events]


def ids(receiver: WebhookReceiver) -> list[str]:
    return [event["event_id"] for event in receiver.kept()]


@pytest.mark.parametrize("status", [200, 201, 202, 204, 207])
def test_what_is_accepted_is_durable(
    status: int, receiver: WebhookReceiver, make_sink: MakeSink
) -> None:
    receiver.always(Reply(status, body=b"" if status == 204 else b"thank you"))
    sink = make_sink()
    sink.write(BATCH)
    assert sink.flush(10).durable == BATCH.last
    assert len(receiver.requests) == len(BATCH)


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_what_cannot_be_taken_now_comes_again_in_order(
    status: int, receiver: WebhookReceiver, make_sink: MakeSink
) -> None:
    receiver.answer(OK, OK, *[Reply(status)] * 5)
    sink = make_sink(lanes=1)
    sink.write(BATCH)
    assert sink.flush(10).durable == BATCH.last
    assert ids(receiver) == IDS
    assert receiver.count(status) == 5


@pytest.mark.parametrize("status", [400, 404, 405, 410, 413, 422, 451])
def test_what_is_never_taken_is_refused_and_the_next_events_go_on(
    status: int, receiver: WebhookReceiver, make_sink: MakeSink
) -> None:
    receiver.refuse([IDS[2], IDS[7]], status)
    sink = make_sink(lanes=4)
    sink.write(BATCH)
    progress = sink.flush(10)
    reason = f"The receiver refused it with status {status}."
    assert progress.rejections == tuple(Rejection(BATCH.events[i].position, reason) for i in (2, 7))
    assert progress.durable == BATCH.last
    assert sorted(ids(receiver)) == sorted(set(IDS) - {IDS[2], IDS[7]})
    assert sink.poll().rejections == ()


@pytest.mark.parametrize("status", [400, 409, 413, 422])
def test_of_a_batch_that_is_refused_for_its_content_only_the_bad_events_are(
    status: int, receiver: WebhookReceiver, make_sink: MakeSink
) -> None:
    receiver.refuse([IDS[0], IDS[5]], status)
    sink = make_sink(lanes=1, batch=BatchConfig(max_events=100))
    sink.write(BATCH)
    progress = sink.flush(10)
    assert [r.position for r in progress.rejections] == [BATCH.events[i].position for i in (0, 5)]
    assert progress.durable == BATCH.last
    assert ids(receiver) == [event_id for event_id in IDS if event_id not in (IDS[0], IDS[5])]


@pytest.mark.parametrize("status", [404, 410])
def test_a_batch_that_is_refused_for_another_reason_is_refused_whole(
    status: int, receiver: WebhookReceiver, make_sink: MakeSink
) -> None:
    receiver.answer(Reply(status))
    sink = make_sink(lanes=1, batch=BatchConfig(max_events=4))
    sink.write(BATCH)
    progress = sink.flush(10)
    assert [r.position for r in progress.rejections] == positions([BATCH])[:4]
    assert ids(receiver) == IDS[4:]
    assert len(receiver.requests) == 2


@pytest.mark.parametrize("status", [401, 403, 407])
def test_an_account_that_is_not_accepted_stops_the_sink(
    status: int, receiver: WebhookReceiver, make_sink: MakeSink
) -> None:
    receiver.always(Reply(status))
    sink = make_sink(lanes=1)
    sink.write(BATCH)
    with pytest.raises(EnvironmentProblem, match=f"status {status}.*bearer_token"):
        sink.flush(10)
    assert len(receiver.requests) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(
    status: int, receiver: WebhookReceiver, make_sink: MakeSink
) -> None:
    with WebhookReceiver() as elsewhere:
        receiver.always(Reply(status, {"Location": elsewhere.url("/metadata")}))
        sink = make_sink(lanes=1)
        sink.write(BATCH)
        with pytest.raises(EnvironmentProblem, match="the redirect is not followed") as raised:
            sink.flush(10)
        assert "metadata" not in str(raised.value)
        assert (len(receiver.requests), elsewhere.connections) == (1, 0)


@pytest.mark.parametrize(
    ("form", "ahead_s"), [("seconds", 0), ("date", 0), ("date", 3600), ("date", -3600)]
)
def test_a_receiver_that_asks_for_a_pause_gets_it_from_all_lanes(
    form: str, ahead_s: int, receiver: WebhookReceiver, make_sink: MakeSink
) -> None:
    now = int(time.time()) + 1 + ahead_s  # by the receiver's clock, which may be wrong
    value = "1" if form == "seconds" else formatdate(now + 1, usegmt=True)
    dated = {"Date": formatdate(now, usegmt=True)} if ahead_s else {}
    receiver.answer(Reply(429, {"Retry-After": value, **dated}))
    sink = make_sink(lanes=4)
    begin = time.monotonic()
    sink.write(whole_transaction(0x1000, 1))
    eventually(lambda: receiver.count(429), message="the receiver asks for a pause")
    later = whole_transaction(0x2000, 20)
    sink.write(later)
    assert sink.flush(20).durable == later.last
    assert time.monotonic() - begin >= 1
    assert len(receiver.requests) == 22


def test_the_pause_that_a_receiver_asks_for_has_a_limit(
    receiver: WebhookReceiver, make_sink: MakeSink
) -> None:
    receiver.answer(Reply(503, {"Retry-After": "86400"}))
    sink = make_sink(max_retry_after_seconds=0.1)
    sink.write(BATCH)
    assert sink.flush(10).durable == BATCH.last


def test_a_receiver_that_fails_for_everybody_is_left_alone(
    receiver: WebhookReceiver, make_sink: MakeSink
) -> None:
    receiver.always(Reply(503))
    pause_s, lanes, failures = 0.3, 8, 5
    breaker = BreakerConfig(failures=failures, pause_ms=int(pause_s * 1000))
    retry = RetryPolicy(initial_delay_ms=1, max_delay_ms=1)
    sink = make_sink(lanes=lanes, circuit_breaker=breaker, retry=retry)
    begin = time.monotonic()
    sink.write(whole_transaction(0x1000, 100))
    eventually(lambda: receiver.count(503) >= 15, message="the pauses of the breaker")
    pauses = (time.monotonic() - begin) / pause_s
    print(f"{receiver.count(503)} requests in {pauses:.1f} pauses")
    # Those that open it, those of the other lanes that are under way, and one after each pause.
    assert receiver.count(503) <= failures + lanes - 1 + pauses + 1
    receiver.accept_everything()
    assert sink.flush(10).durable == whole_transaction(0x1000, 100).last


def test_a_receiver_that_does_not_recover_is_given_up(
    receiver: WebhookReceiver, make_sink: MakeSink
) -> None:
    receiver.always(Reply(500))
    retry = RetryPolicy(max_retries=3, initial_delay_ms=1, max_delay_ms=1)
    sink = make_sink(lanes=1, retry=retry)
    sink.write(BATCH)
    with pytest.raises(DeliveryGivenUp, match="status 500"):
        sink.flush(10)
    assert len(receiver.requests) == 4


def test_after_an_error_a_new_session_delivers_everything(
    receiver: WebhookReceiver, make_sink: MakeSink
) -> None:
    receiver.answer(OK, Reply(403))
    sink = make_sink(lanes=1)
    sink.write(BATCH)
    with pytest.raises(EnvironmentProblem):
        sink.flush(10)
    sink.close()
    sink.open(FEED)
    sink.write(BATCH)
    assert sink.flush(10).durable == BATCH.last
    assert ids(receiver) == [IDS[0], *IDS]


# Results for each event of a batch


def results(*statuses: int) -> Reply:
    return Reply(207, body=json.dumps({"results": [{"status": s} for s in statuses]}).encode())


def test_a_batch_may_be_answered_event_by_event(
    receiver: WebhookReceiver, make_sink: MakeSink
) -> None:
    receiver.answer(
        results(200, 400, 201, 503, 200, 200, 200, 200),
        results(503, 200, 200, 200, 200),
        results(200, 200, 422, 200, 200),
    )
    sink = make_sink(lanes=1, batch=BatchConfig(max_events=100, item_results=True))
    sink.write(BATCH)
    progress = sink.flush(10)
    assert progress.durable == BATCH.last
    assert [r.position for r in progress.rejections] == [BATCH.events[i].position for i in (1, 5)]
    sent = [[event["ordinal"] for event in request.events] for request in receiver.requests]
    assert sent == [[0, 1, 2, 3, 4, 5, 6, 7], [3, 4, 5, 6, 7], [3, 4, 5, 6, 7]]


@pytest.mark.parametrize(
    "body",
    [b"", b"ok", b"[]", b'{"results": []}', b'{"results": 1}', b'{"results": [1,2]}', b"[" * 9999,
     b'{"results": [{"status": true}]}', b'{"results": [{"status": "200"}]}', b"\xff"],
)  # fmt: skip
def test_results_that_cannot_be_read_settle_nothing(
    body: bytes, receiver: WebhookReceiver, make_sink: MakeSink
) -> None:
    receiver.always(Reply(200, body=body))
    retry = RetryPolicy(max_retries=2, initial_delay_ms=1, max_delay_ms=1)
    sink = make_sink(lanes=1, batch=BatchConfig(item_results=True), retry=retry)
    sink.write(whole_transaction(0x1000, 1))
    with pytest.raises(DeliveryGivenUp, match="without a result for each event"):
        sink.flush(10)
    assert len(receiver.requests) == 3


# One event at a time


def test_process_event_returns_when_the_receiver_has_the_event(receiver: WebhookReceiver) -> None:
    receiver.answer(Reply(503))
    config = WebhookConfig(url=Url(receiver.url()), **QUICK)
    with WebhookCdcConsumer(config) as consumer:
        for i, event in enumerate(BATCH.events):
            consumer.process_event(event)
            assert len(receiver.kept()) == i + 1
    assert receiver.kept() == as_json([BATCH])
