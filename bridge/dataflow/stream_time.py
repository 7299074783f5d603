"""How far time has come for operators over several inputs: by their events, and by all others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bridge.core.events import CdcEvent, Operation
from bridge.dataflow.inputs import Input
from bridge.processing.watermark import BEGINNING

CLOCK_SLACK_US: Final = 1_000_000
"""How far the server's clock may be ahead of commits that are not in the stream yet."""


class StreamTime:
    """Tells which watermark an event of the stream, or the clock of the server, stands for.

    Where the time of every input is that of commits (or of processing, which follows commits),
    each event of the stream moves time, whatever its table: a quiet table then holds nothing back.

    Args:
        inputs: of the operator.
        lag: how far events may be behind, in microseconds.
    """

    def __init__(self, inputs: Sequence[Input], lag: int) -> None:
        self._by_commits = all(each.follows_commits for each in inputs)
        self._inputs = tuple(inputs)
        self._lag = lag
        self._told = BEGINNING

    def before(self, event: CdcEvent) -> None:
        """Let processing time pass to the commit of an event that is read next."""
        for each in self._inputs:
            each.clock = max(each.clock, event.timestamp)

    def after(self, event: CdcEvent) -> int | None:
        """Return the watermark behind an event; None if it does not move it."""
        if not self._by_commits or event.operation is Operation.READ:
            return None
        watermark = event.timestamp - self._lag
        if watermark <= self._told:
            return None
        self._told = watermark
        return watermark

    def idle(self, now: int) -> int:
        """Return the watermark while nothing happens, from the clock of the server."""
        for each in self._inputs:
            each.clock = max(each.clock, now)
        return now - self._lag - CLOCK_SLACK_US

    def snapshot(self) -> list[int]:
        """Return the state as plain data."""
        return [each.clock for each in self._inputs]

    def restore(self, state: Sequence[int]) -> None:
        """Go on from a snapshot."""
        self._told = BEGINNING
        for each, clock in zip(self._inputs, state, strict=True):
            each.clock = clock


def lag_of(inputs: Sequence[Input], out_of_orderness: int) -> int:
    """Return how far events may be behind, in microseconds: not at all in processing time."""
    return 0 if all(each.by_processing for each in inputs) else out_of_orderness
