"""The faults that tests ask for happen as described, or the tests that use them prove nothing."""

from __future__ import annotations

import threading

import pytest

from bridge.core.errors import Transient
from bridge.core.events import Position
from sinks.base import Progress, Rejection
from tests.fixtures.events import FEED, as_json, many_transactions, whole_transaction
from tests.fixtures.faults import FaultySink, away
from tests.fixtures.memory_sink import MemorySink, MemoryTarget

BATCHES = many_transactions(4)


@pytest.fixture
def target() -> MemoryTarget:
    return MemoryTarget()


@pytest.fixture
def sink(target: MemoryTarget) -> FaultySink:
    faulty = FaultySink(MemorySink(target))
    faulty.open(FEED)
    return faulty


def test_without_faults_it_is_the_sink_itself(sink: FaultySink, target: MemoryTarget) -> None:
    sink.write(BATCHES[0])
    assert sink.poll() == Progress(BATCHES[0].last)
    sink.close()
    assert sink.open(FEED) == BATCHES[0].last
    assert target.events == as_json(BATCHES[:1])
    assert sink.calls == ["open", "write", "poll", "close", "open"]
    assert sink.threads == {threading.current_thread()}


def test_before_a_write_fails_nothing_is_written(sink: FaultySink, target: MemoryTarget) -> None:
    sink.fail_before_write(away())
    with pytest.raises(Transient):
        sink.write(BATCHES[0])
    assert sink.poll() == Progress(None)
    assert target.events == []


def test_after_a_write_failed_everything_is_written(sink: FaultySink, target: MemoryTarget) -> None:
    sink.fail_after_write(away())
    with pytest.raises(Transient):
        sink.write(BATCHES[0])
    sink.poll()
    assert target.events == as_json(BATCHES[:1])


def test_while_held_nothing_more_becomes_durable(sink: FaultySink) -> None:
    sink.write(BATCHES[0])
    sink.poll()
    sink.hold()
    sink.write(BATCHES[1])
    assert sink.poll() == sink.flush(0.0) == Progress(BATCHES[0].last)
    sink.release()
    assert sink.flush(0.0) == Progress(BATCHES[1].last)


def test_a_blocked_write_goes_on_when_released(sink: FaultySink) -> None:
    sink.block()
    writer = threading.Thread(target=sink.write, args=(BATCHES[0],))
    writer.start()
    assert sink.poll() == Progress(None)
    sink.release()
    writer.join(10)
    assert sink.poll() == Progress(BATCHES[0].last)
    assert sink.threads == {writer, threading.current_thread()}


def test_rejections_come_once_and_durable_passes_them(sink: FaultySink) -> None:
    batch = whole_transaction(0x1000, 3)
    refused = [Position(0x1000, 0), Position(0x1000, 2)]
    sink.reject(refused, "because")
    sink.write(batch)
    rejections = tuple(Rejection(position, "because") for position in refused)
    assert sink.poll() == Progress(batch.last, rejections)
    assert sink.poll() == Progress(batch.last)


def test_a_batch_of_rejections_alone_is_settled(sink: FaultySink, target: MemoryTarget) -> None:
    batch = whole_transaction(0x1000, 1)
    sink.reject([batch.last])
    sink.write(batch)
    assert sink.poll().durable == batch.last
    assert target.events == []


def test_a_rejection_that_nobody_heard_of_comes_again(sink: FaultySink) -> None:
    sink.write(BATCHES[0])
    sink.poll()
    sink.reject([Position(BATCHES[1].last.commit_lsn, 0)])
    sink.write(BATCHES[1])
    sink.fail_poll(away())
    with pytest.raises(Transient):
        sink.poll()
    sink.close()
    assert sink.open(FEED) == BATCHES[0].last
    assert sink.poll() == Progress(BATCHES[0].last)
    sink.write(BATCHES[1])
    assert len(sink.poll().rejections) == 1
