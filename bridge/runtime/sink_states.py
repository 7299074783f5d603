"""What is remembered of single sinks: who is paused and why, gaps, and what optional ones hold."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import sql
from bridge.core.events import Position
from bridge.core.lsn import format_lsn, parse_lsn
from bridge.runtime.state_file import StateFile

BY_OPERATOR = "by the operator"
"""Reason of a pause that somebody asked for."""


@dataclass(frozen=True, slots=True)
class Pause:
    """A sink that is paused.

    Attributes:
        reason: why, in words.
        paused_at: since when, in microseconds since the Unix epoch.
    """

    reason: str
    paused_at: int


class SinkStates:
    """The sinks of one slot in the state file. Any thread, and any process, may call it.

    Every method raises ``EnvironmentProblem`` when the file cannot be read or written; those that
    write return when all is on disk.

    Args:
        file: the open state file.
        slot: name of the replication slot.
    """

    def __init__(self, file: StateFile, slot: str) -> None:
        self._file = file
        self._slot = slot

    def pauses(self) -> Mapping[str, Pause]:
        """Return the paused sinks by name."""
        rows = self._read("pauses")
        return {sink: Pause(reason, paused_at) for sink, reason, paused_at in rows}

    def pause(self, sink: str, reason: str, now: float) -> None:
        """Pause a sink; one that is paused already keeps its reason.

        Args:
            sink: its name.
            reason: why, in words.
            now: seconds since the Unix epoch.
        """
        self._write("pause", sink, reason=reason, paused_at=round(now * 1_000_000))

    def resume(self, sink: str) -> None:
        """Let a sink go on."""
        self._write("resume", sink)

    def gaps(self) -> Mapping[str, Position | None]:
        """Return the sinks with a gap that is not over, and the last event before it, if known."""
        return {
            sink: None if lsn is None else Position(parse_lsn(lsn), ordinal)
            for sink, lsn, ordinal in self._read("gaps")
        }

    def begin_gap(self, sink: str, since: Position | None) -> None:
        """Note that the sink misses events after ``since``."""
        self._write("begin_gap", sink, **_position(since))

    def end_gap(self, sink: str) -> None:
        """Note that the gap is over and the sink is told."""
        self._write("end_gap", sink)

    def delivered(self) -> Mapping[str, Position]:
        """Return the positions up to which optional sinks hold their events."""
        rows = self._read("delivered")
        return {sink: Position(parse_lsn(lsn), ordinal) for sink, lsn, ordinal in rows}

    def save_delivered(self, sink: str, position: Position) -> None:
        """Note up to where an optional sink holds its events."""
        self._write("save_delivered", sink, **_position(position))

    def forget_delivered(self, sink: str) -> None:
        """Forget where an optional sink stands."""
        self._write("forget_delivered", sink)

    def forget_others(self, configured: Collection[str]) -> None:
        """Forget all about sinks that are not configured any more."""
        for (sink,) in self._read("known"):
            if sink not in configured:
                self.resume(sink)
                self.end_gap(sink)
                self.forget_delivered(sink)

    def _read(self, statement: str) -> list[tuple[Any, ...]]:
        with self._file.reading() as connection:
            return connection.execute(
                sql.load(f"sinks/{statement}.sql"), {"slot": self._slot}
            ).fetchall()

    def _write(self, statement: str, sink: str, **values: object) -> None:
        with self._file.transaction() as connection:
            connection.execute(
                sql.load(f"sinks/{statement}.sql"), {"slot": self._slot, "sink": sink, **values}
            )


def _position(position: Position | None) -> dict[str, object]:
    if position is None:
        return {"commit_lsn": None, "ordinal": None}
    return {"commit_lsn": format_lsn(position.commit_lsn), "ordinal": position.ordinal}
