"""Where processing begins: which states are used, and when going on would be wrong."""

from __future__ import annotations

from dataclasses import replace

import pytest
import structlog

from bridge.core.errors import EnvironmentProblem, GapDetected
from bridge.core.events import Position
from bridge.processing.state.memory import MemoryStateStore
from bridge.processing.state.store import ProcessingCheckpoint
from bridge.runtime.processing.start import restore_states
from bridge.runtime.stream_start import StreamStart
from tests.fixtures.counting_dataflow import CountingDataflow, make_answer

PLACE = Position(0x1000, 2)
RESUMED = StreamStart(
    first=False,
    rows=False,
    known=PLACE,
    confirmed=0x1030,
    wal_lsn=0x9000,
    promoted=False,
    accept_gap=False,
)
FIRST = replace(RESUMED, first=True, rows=True, known=None)
NAME = CountingDataflow().state_name


def store_at(position: Position | None, **states: int) -> MemoryStateStore:
    store = MemoryStateStore("5b1c9e07f2ab4d63")
    counts = {f"{name}-0123456789ab": {"count": count} for name, count in states.items()}
    store.commit(ProcessingCheckpoint(position, counts, 2), [make_answer(1), make_answer(2)])
    return store


def test_a_processor_goes_on_with_its_state() -> None:
    dataflow = CountingDataflow()
    found = restore_states(store_at(PLACE, counting=7), [dataflow], RESUMED)
    assert dataflow.count == 7
    assert (found.position, found.sequence) == (PLACE, 2)


def test_a_new_processor_begins_where_the_others_are() -> None:
    store = store_at(PLACE, counting=7)
    new = CountingDataflow("new")
    found = restore_states(store, [CountingDataflow(), new], RESUMED)
    assert new.count == 0
    assert found.position == PLACE
    assert store.names() == (NAME, new.state_name)  # the next start knows it


def test_a_state_that_nobody_uses_is_reported_and_never_read() -> None:
    store = store_at(PLACE, counting=7, gone=3)
    with structlog.testing.capture_logs() as entries:
        restore_states(store, [CountingDataflow()], RESUMED)
    assert [entry["state"] for entry in entries if entry["event"] == "processor_state_unused"] == [
        "gone-0123456789ab"
    ]
    assert store.names() == (NAME,)


def test_a_start_that_is_refused_changes_nothing() -> None:
    store = store_at(PLACE, counting=7, gone=3)
    needy = CountingDataflow("needy", needs_rows=("public.customers",))
    with pytest.raises(EnvironmentProblem):
        restore_states(store, [CountingDataflow(), needy], RESUMED)
    assert len(store.names()) == 2


def test_a_first_start_takes_no_state_of_an_earlier_try() -> None:
    store = store_at(PLACE, counting=7)
    dataflow = CountingDataflow()
    found = restore_states(store, [dataflow], FIRST)
    assert dataflow.count == 0
    assert (found.position, found.sequence) == (None, 2)  # results keep their numbers
    stored = store.load()
    assert stored is not None
    assert (stored.position, stored.states) == (None, {NAME: {"count": 0}})


@pytest.mark.parametrize(
    ("position", "start", "message"),
    [
        pytest.param(None, RESUMED, "the processors had come to 0/1000:2", id="the store is empty"),
        pytest.param(
            Position(0x900, 0), RESUMED, "older than the last run", id="the store is older"
        ),
        pytest.param(
            Position(0xA000, 0), RESUMED, "restored to an earlier state", id="the server is older"
        ),
        pytest.param(PLACE, replace(RESUMED, promoted=True), "was promoted", id="promoted"),
        pytest.param(
            PLACE,
            replace(RESUMED, known=None, confirmed=0x1200),
            "run without the processors",
            id="the processors took no part",
        ),
    ],
)
def test_states_that_do_not_fit_to_the_stream_are_a_gap(
    position: Position | None, start: StreamStart, message: str
) -> None:
    store = store_at(position, counting=7)
    with pytest.raises(GapDetected, match=message) as raised:
        restore_states(store, [CountingDataflow()], start)
    assert "--accept-gap" in raised.value.remedy
    found = restore_states(store, [CountingDataflow()], replace(start, accept_gap=True))
    beyond = position is not None and position.commit_lsn > start.wal_lsn
    assert found.position == (None if beyond else position)


def test_processors_that_are_new_to_a_bridge_are_no_gap() -> None:
    store = MemoryStateStore("5b1c9e07f2ab4d63")
    found = restore_states(store, [CountingDataflow()], replace(RESUMED, known=None))
    assert found.position is None


def test_a_crash_before_the_first_checkpoint_of_the_bridge_is_no_gap() -> None:
    start = replace(RESUMED, known=None, confirmed=0xFF0)
    assert restore_states(store_at(PLACE, counting=7), [CountingDataflow()], start).position


def test_a_processor_that_needs_rows_is_refused_when_they_are_past() -> None:
    dataflow = CountingDataflow(needs_rows=("public.customers",))
    with pytest.raises(EnvironmentProblem, match=r"needs the rows of public\.customers"):
        restore_states(store_at(PLACE), [dataflow], RESUMED)
    with pytest.raises(EnvironmentProblem, match=r"source\.snapshot does not let them come"):
        restore_states(store_at(PLACE), [dataflow], replace(FIRST, rows=False))
    restore_states(store_at(PLACE), [dataflow], FIRST)
    restore_states(store_at(PLACE, counting=7), [dataflow], RESUMED)


def test_partitions_belong_to_the_state_of_their_processor() -> None:
    store = store_at(PLACE, counting=7)
    partitions = {f"{NAME}/00a": 1, "gone-0123456789ab/00a": 1, "gone-0123456789ab/63b": 1}
    store.commit(ProcessingCheckpoint(PLACE, partitions, 2), [])
    with structlog.testing.capture_logs() as entries:
        restore_states(store, [CountingDataflow()], RESUMED)
    assert [entry["state"] for entry in entries if entry["event"] == "processor_state_unused"] == [
        "gone-0123456789ab"
    ]
    assert store.names() == (NAME, f"{NAME}/00a")
