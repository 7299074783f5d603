"""``on_give_up: dead_letter``: events that a receiver always fails for do not block their lane."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bridge.core.errors import DeliveryGivenUp, EventRejected
from bridge.core.retry import RetryPolicy
from sinks.base import Rejection
from sinks.webhook import BatchConfig, WebhookCdcConsumer, WebhookConfig, WebhookSink
from sinks.webhook.url import Url
from tests.fixtures.events import whole_transaction
from tests.fixtures.waiting import eventually
from tests.fixtures.webhook_receiver import (
    OK,
    RESET_AFTER_BODY,
    Reply,
    WebhookReceiver,
)
from tests.integration.webhook.conftest import QUICK, MakeSink

BATCH = whole_transaction(0x1000, 8)
IDS = [event.event_id for event in BATCH.events]
ATTEMPTS = 4
GOES_ON: dict[str, Any] = {
    "on_give_up": "dead_letter",
    "retry": RetryPolicy(max_retries=ATTEMPTS - 1, initial_delay_ms=1, max_delay_ms=1),
    "lanes": 1,
}


def given_up(index: int, status: int, attempts: int = ATTEMPTS) -> Rejection:
    return Rejection(
        BATCH.events[index].position,
        f"The receiver answered with status {status} at attempt {attempts}, the last.",
    )


def ids(receiver: WebhookReceiver) -> list[str]:
    return [event["event_id"] for event in receiver.kept()]


def assert_stops(sink: WebhookSink) -> None:
    """Nothing of the batch is settled, and so nothing is lost."""
    sink.write(BATCH)
    with pytest.raises(DeliveryGivenUp):
        sink.flush(10)


@pytest.mark.parametrize("status", [500, 503, 599])
def test_the_lane_goes_on_without_the_event(
    status: int, receiver: WebhookReceiver, make_sink: MakeSink
) -> None:
    receiver.refuse([IDS[2], IDS[7]], status)
    sink = make_sink(**GOES_ON)
    sink.write(BATCH)
    progress = sink.flush(10)
    assert progress.rejections == (given_up(2, status), given_up(7, status))
    assert progress.durable == BATCH.last
    assert ids(receiver) == [event_id for event_id in IDS if event_id not in (IDS[2], IDS[7])]
    assert receiver.count(status) == 2 * ATTEMPTS


def test_the_time_limit_of_retry_counts_too(receiver: WebhookReceiver, make_sink: MakeSink) -> None:
    receiver.refuse([IDS[0]], 503)
    retry = RetryPolicy(deadline_seconds=0.2, initial_delay_ms=1, max_delay_ms=10)
    sink = make_sink(**{**GOES_ON, "retry": retry})
    sink.write(BATCH)
    progress = sink.flush(10)
    assert progress.rejections == (given_up(0, 503, receiver.count(503)),)
    assert progress.durable == BATCH.last


@pytest.mark.parametrize("bad", [[5], [0, 7], [3, 4]])
def test_a_batch_is_halved_until_its_bad_events_stand_alone(
    bad: list[int], receiver: WebhookReceiver, make_sink: MakeSink
) -> None:
    receiver.refuse([IDS[i] for i in bad], 500)
    sink = make_sink(batch=BatchConfig(max_events=100), **GOES_ON)
    sink.write(BATCH)
    progress = sink.flush(10)
    assert progress.rejections == tuple(given_up(i, 500) for i in bad)
    assert progress.durable == BATCH.last
    assert ids(receiver) == [event_id for i, event_id in enumerate(IDS) if i not in bad]
    sizes = [len(request.events) for request in receiver.requests if request.reply.status == 500]
    # The whole batch and single events get every attempt, the parts in between one.
    assert sizes[:ATTEMPTS] == [8] * ATTEMPTS
    assert sizes.count(1) == ATTEMPTS * len(bad)
    assert all(sizes.count(size) <= len(bad) for size in (4, 2))


def test_a_receiver_that_recovers_meanwhile_gets_everything(
    receiver: WebhookReceiver, make_sink: MakeSink
) -> None:
    receiver.answer(*[Reply(503)] * (ATTEMPTS + 4))  # the batch, 4, 2, and a single event twice
    sink = make_sink(batch=BatchConfig(max_events=100), **GOES_ON)
    sink.write(BATCH)
    progress = sink.flush(10)
    assert (progress.durable, progress.rejections) == (BATCH.last, ())
    assert ids(receiver) == IDS


def test_a_batch_that_is_answered_event_by_event_loses_the_one_that_fails(
    receiver: WebhookReceiver, make_sink: MakeSink
) -> None:
    def results(*statuses: int) -> Reply:
        body = json.dumps({"results": [{"status": status} for status in statuses]})
        return Reply(200, body=body.encode())

    receiver.answer(
        results(200, 422, 503, *[200] * 5),
        *[results(503, *[200] * 5)] * (ATTEMPTS - 1),
        results(*[200] * 5),
    )
    batch = BatchConfig(max_events=100, item_results=True)
    sink = make_sink(batch=batch, **GOES_ON)
    sink.write(BATCH)
    progress = sink.flush(10)
    refused = Rejection(BATCH.events[1].position, "The receiver refused it with status 422.")
    assert progress.rejections == (refused, given_up(2, 503))
    assert progress.durable == BATCH.last


# An outage makes no dead letters


def test_a_receiver_that_cannot_be_reached_stops_the_sink(
    receiver: WebhookReceiver, make_sink: MakeSink
) -> None:
    receiver.stop()
    assert_stops(make_sink(**GOES_ON))


@pytest.mark.parametrize(
    "outage",
    [
        RESET_AFTER_BODY,
        Reply(how="silence"),
        Reply(how="no_http"),
        Reply(408),
        Reply(429),
        Reply(503, {"Retry-After": "0"}),
    ],
)
def test_so_does_one_that_says_nothing_about_the_event(
    outage: Reply, receiver: WebhookReceiver, make_sink: MakeSink
) -> None:
    receiver.always(outage)
    assert_stops(make_sink(timeout_seconds=0.1, **GOES_ON))


def test_results_that_cannot_be_read_say_nothing_about_the_event_either(
    receiver: WebhookReceiver, make_sink: MakeSink
) -> None:
    receiver.always(Reply(200, body=b"ok"))
    assert_stops(make_sink(batch=BatchConfig(item_results=True), **GOES_ON))


def test_attempts_that_were_not_answered_do_not_count(
    receiver: WebhookReceiver, make_sink: MakeSink
) -> None:
    refused, outage = [Reply(503)] * (ATTEMPTS - 1), [Reply(408)] * (ATTEMPTS - 1)
    receiver.answer(*refused, *outage, *refused, *outage, *refused)
    sink = make_sink(**GOES_ON)
    sink.write(BATCH)
    progress = sink.flush(10)
    assert (progress.durable, progress.rejections) == (BATCH.last, ())
    assert ids(receiver) == IDS


def test_a_batch_that_is_being_halved_waits_for_a_receiver_that_goes_away(
    receiver: WebhookReceiver, make_sink: MakeSink
) -> None:
    receiver.answer(*[Reply(503)] * ATTEMPTS, Reply(429), Reply(429), OK)
    sink = make_sink(batch=BatchConfig(max_events=100), **GOES_ON)
    sink.write(BATCH)
    progress = sink.flush(10)
    assert (progress.durable, progress.rejections) == (BATCH.last, ())
    sizes = [len(request.events) for request in receiver.requests]
    assert sizes == [*[8] * ATTEMPTS, 4, 4, 4, 4]


def test_other_lanes_do_not_wait(receiver: WebhookReceiver, make_sink: MakeSink) -> None:
    receiver.refuse([IDS[0]], 503)
    sink = make_sink(**{**GOES_ON, "lanes": 4, "retry": RetryPolicy(deadline_seconds=3600)})
    sink.write(BATCH)
    eventually(lambda: len(receiver.kept()) >= 4, message="the events of the other lanes")
    assert sink.poll().durable is None


def test_process_event_says_that_the_event_is_rejected(receiver: WebhookReceiver) -> None:
    receiver.always(Reply(500))
    config = WebhookConfig(url=Url(receiver.url()), **{**QUICK, **GOES_ON})
    with (
        WebhookCdcConsumer(config) as consumer,
        pytest.raises(EventRejected, match="status 500 at attempt 4"),
    ):
        consumer.process_event(BATCH.events[0])
