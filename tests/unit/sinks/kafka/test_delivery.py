"""Which prefix of the stream is durable, and how refused messages are searched for."""

from __future__ import annotations

from typing import Any, cast

from confluent_kafka import KafkaError

from bridge.core.events import Position
from sinks.kafka.delivery import Care, Run, Runs

REPORT = cast(Any, None)
TOO_LARGE = KafkaError(KafkaError.MSG_SIZE_TOO_LARGE)
PURGED = KafkaError(KafkaError._PURGE_QUEUE)


def position(ordinal: int) -> Position:
    return Position(0x1000, ordinal)


def three_runs() -> tuple[Runs, list[Run]]:
    runs = Runs()
    made = [runs.begin(position(i)) for i in range(3)]
    for run in made:
        run.pending = 2
    return runs, made


def confirm(run: Run, times: int = 2) -> None:
    for _ in range(times):
        run(None, REPORT)


def test_only_the_unbroken_prefix_is_durable() -> None:
    runs, (first, second, third) = three_runs()
    confirm(third)
    confirm(first, times=1)
    runs.settle()
    assert runs.durable is None
    confirm(first, times=1)
    runs.settle()
    assert runs.durable == position(0)
    confirm(second)
    runs.settle()
    assert runs.durable == position(2)
    assert len(runs) == 0


def test_nothing_behind_a_failed_run_is_durable() -> None:
    runs, (first, second, third) = three_runs()
    second(TOO_LARGE, REPORT)
    confirm(second, times=1)
    confirm(first)
    confirm(third)
    runs.settle()
    assert runs.durable == position(0)
    assert runs.failed() is second


def test_the_refused_message_is_the_reason_not_what_it_brought_down() -> None:
    runs, (first, second, _) = three_runs()
    first(PURGED, REPORT)
    second(PURGED, REPORT)
    second(TOO_LARGE, REPORT)
    assert runs.failed() is second
    assert second.refused
    assert not second.purged
    assert first.purged


def test_a_run_without_messages_is_settled_at_once() -> None:
    runs = Runs()
    runs.begin(position(5))
    runs.settle()
    assert runs.durable == position(5)


def test_after_the_search_single_messages_are_not_waited_for() -> None:
    care = Care(batch_bytes=1_000)
    care.begin(position(5))
    care.blame(position(3), "too large")
    care.passed(position(4))
    assert (care.until, care.refused) == (position(5), {position(3): "too large"})
    care.passed(position(5))
    assert (care.until, care.refused) == (None, {})
    assert care.batch_bytes == 1_000


def test_batches_become_smaller_if_nobody_was_to_blame() -> None:
    care = Care(batch_bytes=100_000)
    care.begin(position(5))
    care.passed(position(5))
    assert care.batch_bytes == 50_000
