"""What the contract suite needs to know of a sink and its target."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import pytest

from bridge.core.events import CdcEvent
from sinks.base import Sink


class SinkTarget(ABC):
    """A fresh target for one test, the sinks that write to it, and a reader of its own."""

    proves_position: ClassVar[bool]
    """Whether ``open`` returns the last position that the target holds."""

    poison: ClassVar[CdcEvent | None] = None
    """An event that this sink can never accept; None if it accepts every event."""

    def __init__(self, request: pytest.FixtureRequest) -> None:
        self.request = request  # the way to the fixtures of servers and directories

    @abstractmethod
    def sink(self) -> Sink:
        """Return a new sink that writes to this target."""

    @abstractmethod
    def events(self) -> list[dict[str, Any]]:
        """Return the events that the target holds, in order, read without the sink.

        For a target that has no order of its own, sort by position.
        """

    def close(self) -> None:  # noqa: B027  (few targets need it)
        """Release what the target itself holds."""
