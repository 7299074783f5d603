"""Where a projection begins, and when going on would lose or repeat events."""

from __future__ import annotations

from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from bridge.core.errors import GapDetected
from bridge.core.events import Position
from bridge.eventsourcing import MemoryStorage
from bridge.eventsourcing.records import Progress
from bridge.runtime.projecting.start import resume_projection
from bridge.runtime.stream_start import StreamStart

SOURCE = "7412345678901234567/shop/bridge"
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


def storage_at(position: Position | None, source: str = SOURCE) -> MemoryStorage:
    storage = MemoryStorage("a1" * 16)
    if position is not None:
        storage.append([], Progress("accounts", position, source))
    return storage


@pytest.mark.parametrize(
    ("position", "start"),
    [
        pytest.param(PLACE, RESUMED, id="it goes on"),
        pytest.param(Position(0x1100, 0), RESUMED, id="the checkpoint of the bridge is older"),
        pytest.param(PLACE, replace(RESUMED, known=None, confirmed=0xFF0), id="no checkpoint yet"),
        pytest.param(None, FIRST, id="a first start"),
        pytest.param(None, replace(RESUMED, known=None), id="new to a bridge that streams"),
    ],
)
def test_a_projection_goes_on_behind_what_is_stored(
    position: Position | None, start: StreamStart
) -> None:
    with capture_logs() as entries:
        assert resume_projection(storage_at(position), "accounts", SOURCE, start) == position
    assert [entry["event"] for entry in entries] == ["projection_started"]


@pytest.mark.parametrize("stored", [None, Position(0x1000, 0), PLACE])
def test_existing_rows_that_are_set_aside_count_as_stored(stored: Position | None) -> None:
    found = resume_projection(storage_at(stored), "accounts", SOURCE, RESUMED, set_aside=PLACE)
    assert found == stored


def test_rows_that_are_set_aside_do_not_hide_that_later_events_are_gone() -> None:
    later = replace(RESUMED, known=Position(0x1100, 0))
    for stored in (None, PLACE):
        with pytest.raises(GapDetected):
            resume_projection(storage_at(stored), "accounts", SOURCE, later, set_aside=PLACE)


@pytest.mark.parametrize(
    ("position", "start", "words", "goes_on"),
    [
        pytest.param(None, RESUMED, "its events are lost", None, id="the store is empty"),
        pytest.param(
            Position(0x900, 0), RESUMED, "older than the last run", 0x900, id="the store is older"
        ),
        pytest.param(
            Position(0xA000, 0), RESUMED, "restored to an earlier state", None, id="server is older"
        ),
        pytest.param(PLACE, replace(RESUMED, promoted=True), "was promoted", 0x1000, id="promoted"),
        pytest.param(
            PLACE,
            replace(RESUMED, known=None, confirmed=0x1200),
            "run without the projection",
            0x1000,
            id="the bridge ran without it",
        ),
        pytest.param(PLACE, FIRST, "would come again", None, id="the rows come again"),
    ],
)
def test_a_store_that_does_not_fit_to_the_stream_is_a_gap(
    position: Position | None, start: StreamStart, words: str, goes_on: int | None
) -> None:
    with pytest.raises(GapDetected, match=words) as raised:
        resume_projection(storage_at(position), "accounts", SOURCE, start)
    assert "--accept-gap" in raised.value.remedy
    assert "'accounts'" in raised.value.message
    accepting = replace(start, accept_gap=True)
    with capture_logs() as entries:
        found = resume_projection(storage_at(position), "accounts", SOURCE, accepting)
    assert (None if found is None else found.commit_lsn) == goes_on
    assert entries[0]["event"] == "projection_gap_accepted"


def test_a_store_with_events_of_another_source_is_refused() -> None:
    storage = storage_at(PLACE, "7412345678901234567/archive/bridge")
    with pytest.raises(GapDetected, match=f"/archive/bridge, and these are of {SOURCE}"):
        resume_projection(storage, "accounts", SOURCE, RESUMED)
