"""Order over several lanes: of one key always, and what is durable is everything before it."""

from __future__ import annotations

import random
import threading
from collections import defaultdict
from typing import Any

import pytest

from bridge.core.events import EventBatch, Operation, Position, TruncateEvent
from sinks.base import Progress
from sinks.keys import KeyExpression
from sinks.webhook import BatchConfig, BreakerConfig
from sinks.webhook import sink as sink_module
from tests.fixtures.delivered import without_repeats
from tests.fixtures.events import (
    USERS,
    as_json,
    make_event,
    make_transaction,
    positions,
    whole_transaction,
)
from tests.fixtures.webhook_receiver import OK, RESET_AFTER_BODY, SILENCE, Reply, WebhookReceiver
from tests.integration.webhook.conftest import MakeSink


def by_key(events: list[dict[str, Any]]) -> dict[str, list[tuple[int, int]]]:
    """Return the places of the events of each key, in their order."""
    found: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for event in events:
        found[event["row_id"]].append((event["commit_lsn"], event["ordinal"]))
    return dict(found)


def first_arrivals(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return list({event["event_id"]: event for event in events}.values())


def random_batches(choose: random.Random, count: int) -> list[EventBatch]:
    """Return transactions of random sizes that insert and update a few keys again and again."""
    return [
        EventBatch(
            [
                make_event(
                    0x1000 * (n + 1),
                    ordinal,
                    row=(str(choose.randrange(12)), f"version {n}"),
                    operation=Operation.UPDATE,
                )
                for ordinal in range(choose.randrange(1, 30))
            ]
        )
        for n in range(count)
    ]


@pytest.mark.parametrize("lanes", [1, 3, 8])
@pytest.mark.parametrize("batch", [None, BatchConfig(max_events=7, max_delay_ms=1)])
def test_whatever_fails_each_key_keeps_its_order_and_nothing_is_lost(
    lanes: int, batch: BatchConfig | None, receiver: WebhookReceiver, make_sink: MakeSink
) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    choose = random.Random(seed)
    batches = random_batches(choose, 25)
    everything = as_json(batches)
    refused = {e["event_id"] for e in choose.sample(everything, 6)}
    receiver.refuse(refused)
    faults = (Reply(503), RESET_AFTER_BODY, Reply(429, {"Retry-After": "0"}), SILENCE)
    receiver.answer(*choose.choices((OK, *faults), weights=(20, 3, 3, 3, 1), k=150))
    sink = make_sink(
        lanes=lanes, batch=batch, timeout_seconds=0.2, circuit_breaker=BreakerConfig(pause_ms=5)
    )
    durable, rejected = Position(0, 0), set[Position]()

    def check(progress: Progress) -> None:
        nonlocal durable
        kept = {(e["commit_lsn"], e["ordinal"]) for e in receiver.kept()}
        rejected.update(rejection.position for rejection in progress.rejections)
        if progress.durable is not None:
            assert progress.durable >= durable
            durable = progress.durable
            assert {p for p in positions(batches) if p <= durable} <= kept | rejected

    for written in batches:
        sink.write(written)
        check(sink.poll())
    while durable != batches[-1].last:
        check(sink.flush(0.05))
    kept = receiver.kept()
    expected = [event for event in everything if event["event_id"] not in refused]
    assert by_key(first_arrivals(kept)) == by_key(expected)
    assert without_repeats(kept) == expected
    assert {str(p) for p in rejected} == {
        str(Position(e["commit_lsn"], e["ordinal"])) for e in everything if e["event_id"] in refused
    }
    print(f"sent {len(everything)} confirmed {len(expected)} refused {len(rejected)} "
          f"duplicated {len(kept) - len(expected)} lost 0")  # fmt: skip


def test_a_lane_that_waits_does_not_hold_up_the_others(
    receiver: WebhookReceiver, make_sink: MakeSink
) -> None:
    receiver.answer(SILENCE)
    sink = make_sink(lanes=8, timeout_seconds=3600)
    sink.write(whole_transaction(0x1000, 1))
    while not receiver.requests:
        sink.poll()
    later = whole_transaction(0x2000, 100)
    sink.write(later)
    stuck_key = receiver.requests[0].events[0]["row_id"]
    while len(receiver.kept()) < 80:
        assert sink.poll().durable is None  # the first event is not confirmed
    assert stuck_key not in {e["row_id"] for e in receiver.kept()[1:]}


def test_what_concerns_several_keys_waits_for_all_lanes_and_they_for_it(
    receiver: WebhookReceiver, make_sink: MakeSink
) -> None:
    transaction = make_transaction(0x1000)
    events = [make_event(0x1000, n, row=(str(n), "before")) for n in range(20)]
    events += [
        make_event(0x1000, 20, row=("100", "x"), old=("3", None), operation=Operation.UPDATE),
        *(make_event(0x1000, 21 + n, row=(str(n), "between")) for n in range(20)),
        TruncateEvent.of(transaction, 41, 0x1000, USERS, ()),
        *(make_event(0x1000, 42 + n, row=(str(n), "after")) for n in range(20)),
    ]
    sink = make_sink(lanes=8)
    sink.write(EventBatch(events))
    assert sink.flush(20).durable == events[-1].position
    arrived = [event["ordinal"] for event in receiver.kept()]
    assert sorted(arrived[:20]) == [*range(20)]
    assert arrived[20] == 20
    assert sorted(arrived[21:41]) == [*range(21, 41)]
    assert arrived[41] == 41
    assert sorted(arrived[42:]) == [*range(42, 62)]


def test_an_update_with_its_whole_old_row_overtakes_nothing_and_waits_for_nothing(
    receiver: WebhookReceiver, make_sink: MakeSink
) -> None:
    receiver.answer(SILENCE)
    sink = make_sink(lanes=8, timeout_seconds=3600)
    events = [
        make_event(0x1000, n, row=(str(n), "x"), old=(str(n), "y"), operation=Operation.UPDATE)
        for n in range(100)
    ]
    sink.write(EventBatch(events))  # would wait for ever if it waited for all lanes
    while len(receiver.kept()) < 60:
        sink.poll()


@pytest.mark.parametrize("batch", [None, BatchConfig(max_events=50)])
def test_what_is_under_way_is_bounded(
    batch: BatchConfig | None,
    receiver: WebhookReceiver,
    make_sink: MakeSink,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sink_module, "MAX_EVENTS_UNDER_WAY", 100)
    receiver.always(Reply(503))
    sink = make_sink(batch=batch)
    batches = [whole_transaction(0x1000 * (n + 1), 40) for n in range(10)]
    written: list[EventBatch] = []

    def write() -> None:
        for some in batches:
            sink.write(some)
            written.append(some)

    writer = threading.Thread(target=write)
    writer.start()
    writer.join(1.0)
    assert len(written) == 3  # the third fills it, the fourth waits
    receiver.always(OK)
    writer.join(20)
    assert sink.flush(20).durable == batches[-1].last
    assert without_repeats(receiver.kept()) == as_json(batches)


def test_an_event_whose_key_cannot_be_computed_waits_for_all_lanes(
    receiver: WebhookReceiver, make_sink: MakeSink
) -> None:
    divisors = [*"12345", "0", *"67891"]
    events = [make_event(0x1000, n, row=(text, "x")) for n, text in enumerate(divisors)]
    sink = make_sink(lanes=8, key=KeyExpression(expression="100 / new.id"))
    sink.write(EventBatch(events))
    assert sink.flush(20) == Progress(events[-1].position)
    arrived = [event["ordinal"] for event in receiver.kept()]
    assert sorted(arrived[:5]) == [*range(5)]
    assert arrived[5] == 5
    assert sorted(arrived[6:]) == [*range(6, 11)]
