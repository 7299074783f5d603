"""One event at a time through any sink."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bridge.core.errors import DeliveryGivenUp, EnvironmentProblem, EventRejected
from bridge.core.retry import RetryPolicy
from sinks.consumer import SinkConsumer
from tests.fixtures.events import OTHER_SOURCE, make_event
from tests.fixtures.faults import FaultySink, away
from tests.fixtures.memory_sink import MemorySink, MemoryTarget

QUICK = RetryPolicy(max_retries=3, initial_delay_ms=1, max_delay_ms=1)
FIRST, SECOND = make_event(0x1000, 0), make_event(0x1000, 1)


@pytest.fixture
def target() -> MemoryTarget:
    return MemoryTarget()


@pytest.fixture
def sink(target: MemoryTarget) -> FaultySink:
    return FaultySink(MemorySink(target))


@pytest.fixture
def consumer(sink: FaultySink) -> Iterator[SinkConsumer]:
    with SinkConsumer(sink, name="memory", retry=QUICK) as made:
        yield made


def held(target: MemoryTarget) -> list[str]:
    return [event["event_id"] for event in target.events]


def test_an_event_is_at_the_target_when_the_call_returns(
    consumer: SinkConsumer, target: MemoryTarget, sink: FaultySink
) -> None:
    for event in (FIRST, SECOND):
        consumer.process_event(event)
        assert held(target)[-1] == event.event_id
    assert sink.calls.count("open") == 1


def test_a_target_that_is_away_is_tried_again(
    consumer: SinkConsumer, target: MemoryTarget, sink: FaultySink
) -> None:
    sink.fail_open(away())
    sink.fail_before_write(away())
    consumer.process_event(FIRST)
    assert held(target) == [FIRST.event_id]


def test_it_gives_up_when_the_retries_are_used(
    consumer: SinkConsumer, target: MemoryTarget, sink: FaultySink
) -> None:
    sink.fail_before_write(*[away() for _ in range(4)])
    with pytest.raises(DeliveryGivenUp, match=r"memory .* 0/1000:0.*away") as raised:
        consumer.process_event(FIRST)
    assert "user 1000" not in str(raised.value)
    assert sink.calls.count("write") == 4
    consumer.process_event(FIRST)
    assert held(target) == [FIRST.event_id]


def test_a_refused_event_is_an_error_and_the_next_one_is_delivered(
    consumer: SinkConsumer, target: MemoryTarget, sink: FaultySink
) -> None:
    sink.reject([FIRST.position])
    with pytest.raises(EventRejected, match=r"0/1000:0: it is too large"):
        consumer.process_event(FIRST)
    consumer.process_event(SECOND)
    assert held(target) == [SECOND.event_id]


def test_what_needs_an_operator_is_passed_on(consumer: SinkConsumer, sink: FaultySink) -> None:
    sink.fail_open(EnvironmentProblem("The disk is full."))
    with pytest.raises(EnvironmentProblem, match="disk"):
        consumer.process_event(FIRST)


def test_events_may_come_in_any_order_and_from_any_source(
    consumer: SinkConsumer, target: MemoryTarget, sink: FaultySink
) -> None:
    elsewhere = make_event(0x1000, 2, source=OTHER_SOURCE)
    for event in (SECOND, FIRST, FIRST, elsewhere):
        consumer.process_event(event)
    assert held(target) == [e.event_id for e in (SECOND, FIRST, FIRST, elsewhere)]
    assert sink.calls.count("open") == 4


def test_it_can_be_closed_at_any_time_and_used_again(
    consumer: SinkConsumer, target: MemoryTarget
) -> None:
    consumer.close()
    consumer.process_event(FIRST)
    consumer.close()
    consumer.close()
    consumer.process_event(SECOND)
    assert held(target) == [FIRST.event_id, SECOND.event_id]
