"""The contract of the stores: states, the position they stand for, and results, in one step.

The results that wait for their sinks are the *outbox*. They are numbered 1, 2, 3 ... in the order
of the commits. A result is told to a sink only when the checkpoint that holds it is durable; so
after a crash the same results come again, with the same numbers, and never others.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from bridge.core.errors import InvariantViolated
from bridge.core.events import Position
from bridge.processing.state.results import Result

RESTORE_REMEDY: Final = (
    "Restore the processing state from a copy; or remove it and start with `--accept-gap`: the "
    "processors then begin with empty states, where the stream is."
)


@dataclass(frozen=True, slots=True)
class ProcessingCheckpoint:
    """Where stream processing stands.

    Attributes:
        position: every event up to it is in the states; None if there was none yet.
        states: plain data (see ``bridge.processing.state.codec``) by the name of the state.
        sequence: the number of the last result that was ever stored, 0 if there was none.
    """

    position: Position | None
    states: Mapping[str, Any]
    sequence: int = 0

    def __repr__(self) -> str:
        # States hold values of rows.
        return f"ProcessingCheckpoint({self.position}, {len(self.states)} states, {self.sequence})"


class StateStore(Protocol):
    """Where a checkpoint and the outbox are kept. One bridge at a time writes, from any thread.

    Every method raises:
        EnvironmentProblem: what is stored is damaged, or cannot be read or written.
        Transient: the store is away for now. Nothing or everything of the call was done: call it
            again with the same arguments.
    """

    identity: str
    """Hexadecimal; made at random when the store was, so no two count results with the same."""

    def load(self, names: Collection[str] | None = None) -> ProcessingCheckpoint | None:
        """Return what was committed last, with the states of these names; None means all.

        Returns:
            None if nothing was committed yet.
        """
        ...

    def commit(self, checkpoint: ProcessingCheckpoint, results: Sequence[Result]) -> None:
        """Store all of it, durably, in one transaction.

        States of other names stay. The results get the numbers up to ``checkpoint.sequence``,
        which therefore has to be as many above that of the last commit.

        Raises:
            InvariantViolated: the numbers do not follow those that are stored.
            EnvironmentProblem: another process has taken the store over.
            BridgeError: a state is not plain data.
        """
        ...

    def results(self, sink: str, after: int, limit: int) -> list[tuple[int, Result]]:
        """Return results of a sink with their numbers, which are above ``after``, in order.

        What was reported as delivered to it is not among them.
        """
        ...

    def delivered(self, sink: str, sequence: int) -> None:
        """Note, durably, that the sink holds its results up to this number.

        A result that all of its sinks hold is forgotten. To give up what waits for a sink that is
        gone, report it as delivered.
        """
        ...

    def deliveries(self) -> Mapping[str, int]:
        """Return for each sink the highest number that was reported as delivered."""
        ...

    def waiting(self) -> Mapping[str, int]:
        """Return how many results wait for each sink; those without any are left out."""
        ...

    def names(self) -> tuple[str, ...]:
        """Return the names of all states, sorted: also of processors that are gone."""
        ...

    def sizes(self) -> Mapping[str, int]:
        """Return how many bytes each state takes as it is stored, by its name."""
        ...

    def forget(self, name: str) -> None:
        """Remove a state, durably; does nothing if there is none."""
        ...

    def close(self) -> None:
        """Let the store go. Nothing else may be called after it."""
        ...


def are_new(
    results: Sequence[Result], checkpoint: ProcessingCheckpoint, stored: int | None
) -> bool:
    """Whether a commit brings its results, or is one that got through before and comes again.

    Args:
        results: of the commit.
        checkpoint: of the commit.
        stored: the number of the last result in the store; None before the first commit.

    Raises:
        InvariantViolated: the numbers do not follow those that are stored.
    """
    last = stored or 0
    if last == checkpoint.sequence - len(results):
        return True
    if last == checkpoint.sequence:
        return False
    raise InvariantViolated(
        f"{len(results)} results up to number {checkpoint.sequence} were to be stored after "
        f"number {last}."
    )
