"""Whether a start goes on where the last one ended."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridge.core.continuity import (
    Checkpoint,
    Phase,
    Server,
    SlotState,
    Start,
    check_slot,
    decide_start,
)
from bridge.core.errors import EXIT_ENVIRONMENT, EnvironmentProblem, GapDetected

SERVER = Server(system_identifier="7", timeline=1, wal_lsn=0x9000, database="shop")
SLOT = SlotState(plugin="pgoutput", database="shop", confirmed=0x5000)
CHECKPOINT = Checkpoint(
    system_identifier="7",
    timeline=1,
    database="shop",
    slot="s",
    publication="p",
    phase=Phase.STREAMING,
    confirmed=0x5000,
)


def decide(checkpoint: Checkpoint | None, slot: SlotState | None, server: Server = SERVER) -> Start:
    return decide_start(checkpoint, slot, server, slot_name="s", publication="p")


def test_without_history_and_slot_it_is_the_first_start() -> None:
    assert decide(None, None) is Start.FIRST


def test_a_slot_made_beforehand_is_adopted() -> None:
    assert decide(None, SLOT) is Start.ADOPT


def test_a_slot_where_the_checkpoint_left_it_is_resumed() -> None:
    assert decide(CHECKPOINT, SLOT) is Start.RESUME


def test_a_slot_that_went_back_in_a_crash_of_the_server_is_resumed() -> None:
    assert decide(CHECKPOINT, replace(SLOT, confirmed=0x4000)) is Start.RESUME


@pytest.mark.parametrize("phase", [Phase.CREATING, Phase.SNAPSHOT])
@pytest.mark.parametrize("slot", [None, SLOT])
def test_an_interrupted_first_start_begins_again(phase: Phase, slot: SlotState | None) -> None:
    assert decide(replace(CHECKPOINT, phase=phase), slot) is Start.AGAIN


def test_a_slot_that_is_gone_is_a_gap() -> None:
    with pytest.raises(GapDetected, match="0/5000") as caught:
        decide(CHECKPOINT, None)
    assert "--accept-gap" in caught.value.remedy
    assert caught.value.exit_code == EXIT_ENVIRONMENT


def test_a_slot_beyond_the_checkpoint_is_a_gap_and_both_positions_are_named() -> None:
    with pytest.raises(GapDetected, match=r"0/6000.*0/5000"):
        decide(CHECKPOINT, replace(SLOT, confirmed=0x6000))
    with pytest.raises(GapDetected):
        decide(CHECKPOINT, replace(SLOT, confirmed=0x5001))


def test_a_server_behind_the_checkpoint_is_a_gap() -> None:
    with pytest.raises(GapDetected, match=r"0/4FFF.*0/5000"):
        decide(CHECKPOINT, replace(SLOT, confirmed=0x1000), replace(SERVER, wal_lsn=0x4FFF))


@pytest.mark.parametrize(
    ("server", "what"),
    [
        (replace(SERVER, system_identifier="8"), "system identifier"),
        (replace(SERVER, database="archive"), "database"),
    ],
)
def test_another_server_or_database_is_a_gap(server: Server, what: str) -> None:
    with pytest.raises(GapDetected, match=what):
        decide(CHECKPOINT, SLOT, server)


def test_another_publication_is_a_gap() -> None:
    with pytest.raises(GapDetected, match="publication"):
        decide(replace(CHECKPOINT, publication="other"), SLOT)


@pytest.mark.parametrize(
    ("slot", "says"),
    [
        (replace(SLOT, plugin="wal2json"), "wal2json"),
        (replace(SLOT, plugin=None, database=None), "is physical"),
        (replace(SLOT, database="archive"), "archive"),
        (replace(SLOT, two_phase=True), "two_phase"),
        (replace(SLOT, wal_status="lost"), "lost"),
        (replace(SLOT, wal_status="lost", invalidation_reason="idle_timeout"), "idle_timeout"),
    ],
)
def test_a_slot_that_cannot_be_streamed_from_is_refused(slot: SlotState, says: str) -> None:
    with pytest.raises(EnvironmentProblem, match=says) as caught:
        check_slot("s", slot, "shop")
    assert caught.value.remedy


def test_a_sound_slot_passes() -> None:
    check_slot("s", SLOT, "shop")
