"""What the bridge remembers between two runs: its checkpoint and its dead letters."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

import sql
from bridge.core.continuity import Checkpoint, Phase
from bridge.core.errors import EnvironmentProblem
from bridge.core.events import Position
from bridge.core.lsn import format_lsn, parse_lsn
from bridge.runtime.state_file import StateFile


class StateStore:
    """The state directory. Any thread may call it; calls that write return when all is on disk.

    Args:
        directory: ``state.dir``; made if it does not exist.
        exclusive: refuse a second bridge; see ``StateFile``.

    Raises:
        EnvironmentProblem: the directory is in use or unusable; from every method, the file
            cannot be read or written.
    """

    def __init__(self, directory: Path, *, exclusive: bool = True) -> None:
        self.file = StateFile(directory, exclusive=exclusive)

    def __enter__(self) -> StateStore:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; another process may then use the directory."""
        self.file.close()

    def load_checkpoint(self, slot: str) -> Checkpoint | None:
        """Return what was saved last for the slot; None if nothing was."""
        with self.file.reading() as connection:
            found = connection.execute(
                sql.load("state/load_checkpoint.sql"), {"slot": slot}
            ).fetchone()
            positions = connection.execute(
                sql.load("state/load_positions.sql"), {"slot": slot}
            ).fetchall()
        if found is None:
            return None
        try:
            return _checkpoint(slot, found, positions)
        except ValueError as error:
            raise EnvironmentProblem(
                f"The checkpoint of slot {slot!r} in {self.file.path} is damaged: {error}.",
                remedy="Restore the file, or move it away: the bridge then goes on from where "
                "the slot stands.",
            ) from error

    def save_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Replace the checkpoint of its slot and all its positions, in one durable step."""
        slot = {"slot": checkpoint.slot}
        with self.file.transaction() as connection:
            connection.execute(
                sql.load("state/save_checkpoint.sql"),
                {
                    **slot,
                    "system_identifier": checkpoint.system_identifier,
                    "timeline": checkpoint.timeline,
                    "database": checkpoint.database,
                    "publication": checkpoint.publication,
                    "phase": checkpoint.phase.value,
                    "confirmed_lsn": format_lsn(checkpoint.confirmed),
                },
            )
            connection.execute(sql.load("state/forget_positions.sql"), slot)
            connection.executemany(
                sql.load("state/save_position.sql"),
                [
                    {
                        **slot,
                        "sink": sink,
                        "commit_lsn": format_lsn(position.commit_lsn),
                        "ordinal": position.ordinal,
                    }
                    for sink, position in checkpoint.positions.items()
                ],
            )

    def forget_checkpoint(self, slot: str) -> None:
        """Remove the checkpoint of the slot and all its positions; does nothing without one."""
        with self.file.transaction() as connection:
            connection.execute(sql.load("state/forget_positions.sql"), {"slot": slot})
            connection.execute(sql.load("state/forget_checkpoint.sql"), {"slot": slot})


def _checkpoint(
    slot: str,
    row: tuple[str, int, str, str, str, str],
    positions: list[tuple[str, str, int]],
) -> Checkpoint:
    system_identifier, timeline, database, publication, phase, confirmed = row
    return Checkpoint(
        system_identifier=system_identifier,
        timeline=timeline,
        database=database,
        slot=slot,
        publication=publication,
        phase=Phase(phase),
        confirmed=parse_lsn(confirmed),
        positions={sink: Position(parse_lsn(lsn), ordinal) for sink, lsn, ordinal in positions},
    )
