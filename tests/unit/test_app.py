"""What the composition root decides itself."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from bridge.app import drop_given_up
from bridge.core.errors import BridgeError, EnvironmentProblem, SlotBusy, Transient


class Slots:
    """Refuses to drop with each of the errors, then drops."""

    def __init__(self, errors: Iterable[BridgeError]) -> None:
        self._errors = iter(errors)
        self.dropped: list[str] = []

    def drop_slot(self, name: str) -> None:
        for error in self._errors:
            raise error
        self.dropped.append(name)


def test_a_slot_that_is_given_up_is_dropped_when_the_server_has_let_go_of_it() -> None:
    slots: Any = Slots([SlotBusy("in use"), SlotBusy("in use")])
    drop_given_up(slots, "s", wait_s=10)
    assert slots.dropped == ["s"]


@pytest.mark.parametrize("error", [SlotBusy("in use"), Transient("the server is away")])
def test_a_slot_that_could_not_be_dropped_is_not_said_to_be(error: BridgeError) -> None:
    slots: Any = Slots([error])
    with pytest.raises(
        EnvironmentProblem, match=f"could not be dropped: {error.message}"
    ) as caught:
        drop_given_up(slots, "s", wait_s=0)
    assert "pgbridge slots drop s" in caught.value.remedy
