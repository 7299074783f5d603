"""What every sink promises for results of processors, as ``test_sink`` shows it for changes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from bridge.core.errors import Transient
from bridge.core.events import EventBatch, Position
from sinks.base import Feed, Progress, Rejection, Sink
from sinks.formats.native import encode_native
from tests.contract.sinks import StdoutTarget
from tests.contract.target import SinkTarget
from tests.contract.targets_file import FileTarget, RotatedFileTarget
from tests.contract.targets_kafka import ExactlyOnceKafkaTarget, KafkaTarget
from tests.contract.targets_rabbitmq import RabbitMqTarget, SeveralConnectionsTarget
from tests.contract.targets_webhook import WebhookBatchTarget, WebhookTarget
from tests.fixtures.events import FEED, as_json, many_transactions
from tests.fixtures.faults import FaultySink, away
from tests.fixtures.results import (
    OTHER_RESULT_FEED,
    OTHER_STORE,
    RESULT_FEED,
    make_result,
    result_batches,
)

FLUSH_TIMEOUT_S = 30.0

TARGETS = [
    pytest.param(FileTarget, id="file"),
    pytest.param(RotatedFileTarget, id="file-rotated"),
    pytest.param(StdoutTarget, id="stdout"),
    pytest.param(WebhookTarget, id="webhook"),
    pytest.param(WebhookBatchTarget, id="webhook-batch"),
    pytest.param(KafkaTarget, id="kafka"),
    pytest.param(ExactlyOnceKafkaTarget, id="kafka-exactly-once"),
    pytest.param(RabbitMqTarget, id="rabbitmq"),
    pytest.param(SeveralConnectionsTarget, id="rabbitmq-connections"),
]
KEEP_THEIR_ORDER = [
    p for p in TARGETS if p.id in ("file", "stdout", "kafka", "kafka-exactly-once", "rabbitmq")
]
REFUSING = [p for p in TARGETS if p.values[0].poison is not None]


@pytest.fixture(params=TARGETS)
def target(request: pytest.FixtureRequest) -> Iterator[SinkTarget]:
    made = request.param(request)
    yield made
    made.close()


def write_all(sink: Sink, batches: Sequence[EventBatch], feed: Feed = RESULT_FEED) -> Progress:
    """Write what the target does not prove to hold, and return what became of it."""
    held = sink.open(feed)
    for batch in batches:
        sink.write(batch.after(held) if held else batch)
    progress = sink.flush(FLUSH_TIMEOUT_S)
    sink.close()
    return progress


def test_results_of_every_type_arrive_complete_and_in_order(target: SinkTarget) -> None:
    batches = result_batches(20)
    assert write_all(target.sink(), batches) == Progress(batches[-1].last)
    assert target.events() == as_json(batches)


def test_open_tells_the_last_result_that_the_target_holds(target: SinkTarget) -> None:
    write_all(target.sink(), result_batches(4))
    again = target.sink()
    assert again.open(RESULT_FEED) == (Position(12, 0) if target.proves_position else None)
    again.close()
    assert again.open(OTHER_RESULT_FEED) is None
    again.close()


def test_writing_goes_on_where_another_process_stopped(target: SinkTarget) -> None:
    batches = result_batches(9)
    write_all(target.sink(), batches[:4])
    rest = batches if target.proves_position else batches[4:]
    write_all(target.sink(), rest)
    assert target.events() == as_json(batches)


def test_results_that_were_not_durable_come_again_with_the_same_ids(target: SinkTarget) -> None:
    batches = result_batches(6)
    faulty = FaultySink(target.sink())
    faulty.fail_after_write(away())
    with pytest.raises(Transient):
        write_all(faulty, batches[:1])
    faulty.close()
    write_all(target.sink(), batches)
    found = {event["event_id"]: event for event in target.events()}
    assert list(found.values()) == as_json(batches)


@pytest.mark.parametrize("target", KEEP_THEIR_ORDER, indirect=True)
def test_changes_and_results_of_other_stores_stay_beside_them(target: SinkTarget) -> None:
    changes, results = many_transactions(3), result_batches(3)
    of_another_store = result_batches(3, source=OTHER_STORE)
    write_all(target.sink(), changes, FEED)
    write_all(target.sink(), results)
    write_all(target.sink(), of_another_store, OTHER_RESULT_FEED)
    write_all(target.sink(), many_transactions(1, first_lsn=0x9000), FEED)
    expected = [*changes, *results, *of_another_store, *many_transactions(1, first_lsn=0x9000)]
    assert target.events() == as_json(expected)


@pytest.mark.parametrize("target", REFUSING, indirect=True)
def test_a_result_that_the_sink_can_never_accept_is_reported(target: SinkTarget) -> None:
    poison = make_result(2, values="x" * 600_000)
    if isinstance(target, WebhookTarget):
        target.receiver.refuse([poison.event_id])
    batches = [EventBatch([make_result(1)]), EventBatch([poison]), EventBatch([make_result(3)])]
    assert rejected(target.sink(), batches) == [poison.position]
    assert target.events() == as_json([batches[0], batches[2]])


def rejected(sink: Sink, batches: Sequence[EventBatch]) -> list[Position]:
    """Write all until all is settled, and return what was refused."""
    rejections: list[Rejection] = []
    sink.open(RESULT_FEED)
    for batch in batches:
        sink.write(batch)
    while True:
        progress = sink.flush(FLUSH_TIMEOUT_S)
        rejections += progress.rejections
        if progress.durable == batches[-1].last:
            sink.close()
            return [rejection.position for rejection in rejections]


def test_a_result_is_one_line_with_its_place_before_its_own_identifier() -> None:
    event = make_result(5, values="a\nb")
    line = encode_native(event)
    document: dict[str, Any] = json.loads(line)
    assert "\n" not in line
    assert list(document)[:4] == ["type", "delivery_id", "event_id", "processor"]
    assert (document["delivery_id"], document["event_id"]) == (event.delivery_id, event.event_id)
    assert document["values"] == {"revenue": "a\nb"}
