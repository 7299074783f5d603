"""What the runtime knows of a processor, whatever it computes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from bridge.core.events import CdcEvent

if TYPE_CHECKING:
    from bridge.dataflow.inputs import Input
    from bridge.processing.state.results import Result


class Dataflow(Protocol):
    """One compiled processor: events in, results out.

    It has no clock and no file, and is for one thread. What it gives depends on its state, the
    events and their order alone, not on how they were cut into batches, so after a crash the same
    events give the same results again.

    Attributes:
        name: of the processor.
        state_name: its name with a fingerprint of its definition: a state under another name is
            not its own.
        sinks: the names of those that get its results.
        needs_rows: patterns of the tables whose rows it has to see before it begins.
        inputs: what it reads changes with: one, or the two sides of a join.
    """

    @property
    def name(self) -> str: ...

    @property
    def state_name(self) -> str: ...

    @property
    def sinks(self) -> tuple[str, ...]: ...

    @property
    def needs_rows(self) -> tuple[str, ...]: ...

    @property
    def inputs(self) -> tuple[Input, ...]: ...

    def process(self, events: Sequence[CdcEvent]) -> list[Result]:
        """Take events in, in the order of the stream; those of other tables are left out.

        Raises:
            ConfigError: a table does not have what the definition names, or in another type.
            EnvironmentProblem: the server does not send what the definition needs.
        """

    def advance(self, now: int) -> list[Result]:
        """Let time pass while the source is idle and everything before was processed.

        Args:
            now: the clock of the server, in microseconds. How far events may be behind it is
                taken into account here.
        """

    def take_rejected(self) -> list[tuple[CdcEvent, str]]:
        """Return the events without a value, each once, and why, without values of the row."""

    def snapshot(self) -> Any:
        """Return a copy of the state as plain data."""

    def restore(self, state: Any) -> None:
        """Go on where the dataflow of the same ``state_name`` was that gave this snapshot."""

    def stats(self) -> Mapping[str, int]:
        """Return figures since the state began: ``events``, ``late``, ``results``, ..."""
