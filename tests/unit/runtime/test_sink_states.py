"""What is remembered of single sinks survives a restart, each slot for itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.core.events import Position
from bridge.runtime.sink_states import BY_OPERATOR, Pause, SinkStates
from bridge.runtime.state_file import StateFile


@pytest.fixture
def file(tmp_path: Path) -> Iterator[StateFile]:
    file = StateFile(tmp_path)
    yield file
    file.close()


def test_a_pause_keeps_its_first_reason_until_it_ends(file: StateFile, tmp_path: Path) -> None:
    states = SinkStates(file, "bridge")
    states.pause("a", "the spill is full", 2.5)
    states.pause("a", BY_OPERATOR, 3.0)
    other = StateFile(tmp_path, exclusive=False)  # a command, beside the bridge
    assert SinkStates(other, "bridge").pauses() == {"a": Pause("the spill is full", 2_500_000)}
    SinkStates(other, "bridge").resume("a")
    other.close()
    assert states.pauses() == {}
    states.resume("a")  # twice is once


def test_a_gap_keeps_its_beginning(file: StateFile) -> None:
    states = SinkStates(file, "bridge")
    states.begin_gap("a", Position(0xFFFF_FFFF_0000_0001, 3))
    states.begin_gap("a", Position(0xFFFF_FFFF_0000_0002, 0))
    states.begin_gap("b", None)
    assert states.gaps() == {"a": Position(0xFFFF_FFFF_0000_0001, 3), "b": None}
    states.end_gap("a")
    assert states.gaps() == {"b": None}


def test_a_position_is_replaced(file: StateFile) -> None:
    states = SinkStates(file, "bridge")
    states.save_delivered("a", Position(1, 0))
    states.save_delivered("a", Position(2, -1))
    assert states.delivered() == {"a": Position(2, -1)}
    states.forget_delivered("a")
    assert states.delivered() == {}


def test_other_sinks_are_forgotten_but_not_those_of_other_slots(file: StateFile) -> None:
    states, elsewhere = SinkStates(file, "bridge"), SinkStates(file, "other")
    for each in (states, elsewhere):
        each.pause("a", BY_OPERATOR, 1.0)
        each.begin_gap("b", None)
        each.save_delivered("c", Position(1, 0))
        each.pause("d", BY_OPERATOR, 1.0)
    states.forget_others({"d"})
    assert (set(states.pauses()), states.gaps(), states.delivered()) == ({"d"}, {}, {})
    assert set(elsewhere.pauses()) == {"a", "d"}
    assert set(elsewhere.gaps()) == {"b"}
    assert set(elsewhere.delivered()) == {"c"}
