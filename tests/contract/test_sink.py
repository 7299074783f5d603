"""What every sink promises (``sinks.base.Sink``), shown on every sink that keeps events."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from bridge.core.errors import Transient
from bridge.core.events import EventBatch, Operation, Position
from sinks.base import Progress, Rejection, Sink
from tests.contract.sinks import TARGETS, SinkTarget
from tests.fixtures.events import (
    FEED,
    OTHER_FEED,
    as_json,
    make_batch,
    make_event,
    make_message,
    make_relation,
    many_transactions,
    positions,
    whole_transaction,
)
from tests.fixtures.faults import FaultySink, away

FLUSH_TIMEOUT_S = 30.0


@pytest.fixture(params=TARGETS)
def target(request: pytest.FixtureRequest) -> Iterator[SinkTarget]:
    made = request.param(request)
    yield made
    made.close()


@pytest.fixture
def sink(target: SinkTarget) -> Iterator[Sink]:
    made = target.sink()
    made.open(FEED)
    yield made
    made.close()


def held_positions(target: SinkTarget) -> list[Position]:
    return [Position(event["commit_lsn"], event["ordinal"]) for event in target.events()]


def deliver(sink: Sink, batches: Sequence[EventBatch]) -> list[Rejection]:
    """Deliver as a worker does: after an error, all that was not durable once more."""
    rejections: list[Rejection] = []
    durable: Position | None = None

    def note(progress: Progress) -> None:
        nonlocal durable
        rejections.extend(progress.rejections)
        if progress.durable is not None:
            durable = max(progress.durable, durable or progress.durable)

    for _ in range(20):
        try:
            held = sink.open(FEED)
            durable = max((p for p in (durable, held) if p is not None), default=None)
            for batch in batches:
                sink.write(batch.after(durable) if durable else batch)
                note(sink.poll())
            note(sink.flush(FLUSH_TIMEOUT_S))
        except Transient:
            sink.close()
        else:
            sink.close()
            return rejections
    raise AssertionError("the sink never recovered")


def without_repeats(events: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return list({event["event_id"]: event for event in events}.values())


def test_events_arrive_complete_and_in_order(target: SinkTarget, sink: Sink) -> None:
    batches = many_transactions(20)
    for batch in batches:
        sink.write(batch)
    sink.flush(FLUSH_TIMEOUT_S)
    assert target.events() == as_json(batches)


def test_flush_drains_everything_accepted(target: SinkTarget, sink: Sink) -> None:
    batches = many_transactions(5)
    for batch in batches:
        sink.write(batch)
    assert sink.flush(FLUSH_TIMEOUT_S) == Progress(batches[-1].last)


def test_what_is_reported_as_durable_is_at_the_target(target: SinkTarget, sink: Sink) -> None:
    batches = many_transactions(10)
    reported: Position | None = None
    for batch in batches:
        sink.write(batch)
        durable = sink.poll().durable
        if durable is not None:
            assert reported is None or durable >= reported
            reported = durable
            expected = [p for p in positions(batches) if p <= durable]
            assert held_positions(target)[: len(expected)] == expected


def test_nothing_is_durable_before_something_is_written(sink: Sink) -> None:
    assert sink.poll() == Progress(None)
    assert sink.flush(FLUSH_TIMEOUT_S) == Progress(None)


def test_an_empty_batch_changes_nothing(target: SinkTarget, sink: Sink) -> None:
    sink.write(EventBatch([]))
    assert sink.flush(FLUSH_TIMEOUT_S) == Progress(None)
    assert target.events() == []
    batch = whole_transaction(0x1000, 2)
    sink.write(batch)
    sink.write(EventBatch([]))
    assert sink.flush(FLUSH_TIMEOUT_S) == Progress(batch.last)
    assert target.events() == as_json([batch])


def test_one_large_batch_arrives_whole(target: SinkTarget, sink: Sink) -> None:
    batch = whole_transaction(0x1000, 5_000)
    sink.write(batch)
    assert sink.flush(FLUSH_TIMEOUT_S).durable == batch.last
    assert held_positions(target) == positions([batch])


def test_a_transaction_may_come_in_parts(target: SinkTarget, sink: Sink) -> None:
    parts = [make_batch(*((0x1000, n) for n in range(i, i + 7))) for i in range(0, 70, 7)]
    for part in parts:
        sink.write(part)
    assert sink.flush(FLUSH_TIMEOUT_S).durable == Position(0x1000, 69)
    assert held_positions(target) == positions(parts)


TEXTS = [
    "",
    "two\nlines\r\nand more\u2028still\x85the same\x0b\x0c\x1c",
    "'single' \"double\" `back` \\slash\\ /",
    "Grüße, 世界, 👩‍👩‍👧, \u202eright to left",
    "\x01\x1f\x7f\t",
    "{}[]:, null {x!r:>10}",
    "long " * 50_000,
    "and what comes after it",
]


def test_any_text_arrives_unchanged(target: SinkTarget, sink: Sink) -> None:
    places = [(0x1000, number) for number in range(len(TEXTS))]
    sink.write(make_batch(*places, names=TEXTS))
    sink.flush(FLUSH_TIMEOUT_S)
    assert [event["new_values"]["name"] for event in target.events()] == TEXTS


def test_every_kind_of_event_arrives(target: SinkTarget, sink: Sink) -> None:
    relation = make_relation({"id": "int8", "doc": "jsonb"}, key=["id"], table='odd "name"')
    kinds = [
        make_event(0x1000, 0, row=("1", "null"), relation=relation),
        make_event(0x1000, 1, row=("1", None), old=("1", "{}"), operation=Operation.UPDATE,
                   relation=relation),
        make_event(0x1000, 2, old=("1", None), operation=Operation.DELETE, relation=relation),
        make_message(0x2000, content="two\nlines"),
    ]  # fmt: skip
    batch = EventBatch(kinds)
    sink.write(batch)
    assert sink.flush(FLUSH_TIMEOUT_S).durable == Position(0x2000, -1)
    assert target.events() == as_json([batch])


def test_close_without_flush_leaves_a_readable_target(target: SinkTarget, sink: Sink) -> None:
    batches = many_transactions(4)
    sink.write(batches[0])
    sink.flush(FLUSH_TIMEOUT_S)
    for batch in batches[1:]:
        sink.write(batch)
    sink.close()
    held = target.events()
    assert held == as_json(batches)[: len(held)]
    assert len(held) >= len(batches[0])


def test_close_may_come_twice_and_before_open(target: SinkTarget) -> None:
    sink = target.sink()
    sink.close()
    sink.open(FEED)
    sink.close()
    sink.close()


def test_a_fresh_target_knows_no_position(target: SinkTarget) -> None:
    sink = target.sink()
    assert sink.open(FEED) is None
    sink.close()


def test_open_tells_the_last_position_that_the_target_holds(target: SinkTarget) -> None:
    batches = many_transactions(6)
    deliver(target.sink(), batches)
    again = target.sink()
    held = again.open(FEED)
    again.close()
    assert held == (batches[-1].last if target.proves_position else None)


def test_open_tells_no_position_of_another_source(target: SinkTarget) -> None:
    deliver(target.sink(), many_transactions(2))
    again = target.sink()
    assert again.open(OTHER_FEED) is None
    again.close()


def test_writing_goes_on_where_another_process_stopped(target: SinkTarget) -> None:
    batches = many_transactions(9)
    for part in (batches[:3], batches[3:6], batches[6:]):
        deliver(target.sink(), part)
    assert target.events() == as_json(batches)


def one_failed_open(sink: FaultySink) -> None:
    sink.fail_open(away())


def one_failed_write(sink: FaultySink) -> None:
    sink.fail_before_write(away())


def one_write_with_lost_answer(sink: FaultySink) -> None:
    sink.fail_after_write(away(), away())


def two_failed_polls(sink: FaultySink) -> None:
    sink.fail_poll(away(), away())


@pytest.mark.parametrize(
    "fault", [one_failed_open, one_failed_write, one_write_with_lost_answer, two_failed_polls]
)
def test_nothing_is_lost_when_what_was_not_durable_is_repeated(
    target: SinkTarget, fault: Callable[[FaultySink], None]
) -> None:
    batches = many_transactions(8)
    faulty = FaultySink(target.sink())
    fault(faulty)
    deliver(faulty, batches)
    assert without_repeats(target.events()) == as_json(batches)


def test_only_events_that_were_not_durable_are_ever_repeated(target: SinkTarget) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    choose = random.Random(seed)
    batches = many_transactions(30)
    sink = target.sink()
    durable: Position | None = None
    at_risk: set[Position] = set()
    sink.open(FEED)
    for batch in batches:
        rest = batch.after(durable) if durable else batch
        sink.write(rest)
        if choose.random() < 0.5:
            durable = sink.poll().durable or durable
        if choose.random() < 0.3:  # an error: everything that is not durable comes again
            sink.close()
            at_risk |= {p for p in positions([batch]) if durable is None or p > durable}
            durable = max((p for p in (durable, sink.open(FEED)) if p), default=None)
            again = [b.after(durable) if durable else b for b in batches]
            for repeated in again[: batches.index(batch) + 1]:
                at_risk |= set(positions([repeated]))
                sink.write(repeated)
    sink.flush(FLUSH_TIMEOUT_S)
    sink.close()
    held = held_positions(target)
    assert sorted(set(held)) == positions(batches)
    assert {p for p in held if held.count(p) > 1} <= at_risk


def test_rejected_events_are_reported_once_and_the_others_arrive(target: SinkTarget) -> None:
    batches = many_transactions(5)
    refused = [Position(0x1100, 1), batches[-1].last]
    faulty = FaultySink(target.sink())
    faulty.reject(refused)
    assert [rejection.position for rejection in deliver(faulty, batches)] == refused
    assert held_positions(target) == [p for p in positions(batches) if p not in refused]


def test_durable_passes_an_event_that_was_rejected(target: SinkTarget) -> None:
    batch = whole_transaction(0x1000, 3)
    faulty = FaultySink(target.sink())
    faulty.reject([batch.last])
    faulty.open(FEED)
    faulty.write(batch)
    assert faulty.flush(FLUSH_TIMEOUT_S).durable == batch.last
    faulty.close()


@pytest.mark.parametrize(
    "target", [p for p in TARGETS if p.values[0].poison is not None], indirect=True
)
def test_an_event_that_the_sink_can_never_accept_is_reported(target: SinkTarget) -> None:
    poison = target.poison
    assert poison is not None
    before, after = whole_transaction(0x10, 2), whole_transaction(1 << 60, 2)
    rejections = deliver(target.sink(), [before, EventBatch([poison]), after])
    assert [rejection.position for rejection in rejections] == [poison.position]
    assert held_positions(target) == positions([before, after])
