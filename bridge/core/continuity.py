"""Whether a start goes on where the last one ended: asked before anything is streamed.

Postgres starts wherever the slot stands and says nothing. A slot that was dropped and made again,
moved by hand, or restored with an older backup therefore looks healthy and has a hole. What the
bridge knows of itself, the checkpoint, is held against what the server says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from bridge.core.errors import EnvironmentProblem, GapDetected
from bridge.core.events import Position
from bridge.core.lsn import Lsn, format_lsn


class Phase(StrEnum):
    """How far the first start came."""

    CREATING = "creating"
    """The slot is about to be created, or was a moment ago."""
    SNAPSHOT = "snapshot"
    """The slot exists, and existing rows are being delivered."""
    STREAMING = "streaming"
    """Everything before the confirmed position was delivered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """What the bridge wrote down of its own progress.

    Attributes:
        system_identifier: of the cluster.
        timeline: of the cluster's WAL.
        database: name of the database.
        slot: name of the slot.
        publication: name of the publication.
        phase: how far the first start came.
        confirmed: what was, or was about to be, confirmed to the server.
        positions: of the last event that each sink holds durably.
    """

    system_identifier: str
    timeline: int
    database: str
    slot: str
    publication: str
    phase: Phase
    confirmed: Lsn = 0
    positions: Mapping[str, Position] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotState:
    """What the server says of the slot: a part of ``pg_replication_slots``."""

    plugin: str | None
    database: str | None
    confirmed: Lsn | None
    wal_status: str | None = None
    invalidation_reason: str | None = None
    two_phase: bool = False


class Start(StrEnum):
    """How to start."""

    FIRST = "first"
    """There is no slot and no history: create the slot, copy the existing rows."""
    AGAIN = "again"
    """The first start was interrupted: drop the slot, if it exists, and begin anew."""
    ADOPT = "adopt"
    """Somebody made the slot for us: stream from where it stands."""
    RESUME = "resume"
    """Go on from the checkpoint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Which server answers, and where its WAL ends: the answer to IDENTIFY_SYSTEM."""

    system_identifier: str
    timeline: int
    wal_lsn: Lsn
    database: str


def check_slot(name: str, slot: SlotState, database: str) -> None:
    """Refuse a slot that cannot be streamed from.

    Raises:
        EnvironmentProblem: with the reason and the remedy.
    """
    if slot.plugin != "pgoutput":
        kind = "is physical" if slot.plugin is None else f"uses the plugin {slot.plugin!r}"
        raise EnvironmentProblem(
            f"Slot {name!r} {kind}; the bridge needs one of pgoutput.",
            remedy="Set source.slot to another name; the bridge creates the slot.",
        )
    if slot.database != database:
        raise EnvironmentProblem(
            f"Slot {name!r} belongs to the database {slot.database!r}, not to {database!r}.",
            remedy="Set source.slot to another name, or connect to that database.",
        )
    if slot.two_phase:
        raise EnvironmentProblem(
            f"Slot {name!r} was created with two_phase, which the bridge does not stream.",
            remedy="Use a slot without it: prepared transactions then come when they commit.",
        )
    if slot.wal_status == "lost":
        reason = slot.invalidation_reason or "the WAL it needs was removed"
        raise EnvironmentProblem(
            f"Slot {name!r} is lost: {reason}. Changes since {_lsn(slot.confirmed)} that were "
            "not delivered cannot be read any more.",
            remedy=f"Run 'pgbridge slots drop {name}', then start with --accept-gap; take a new "
            "snapshot for the rows that changed. Raise max_slot_wal_keep_size (or "
            "idle_replication_slot_timeout) so that it does not happen again.",
        )


def decide_start(
    checkpoint: Checkpoint | None,
    slot: SlotState | None,
    server: Server,
    *,
    slot_name: str,
    publication: str,
) -> Start:
    """Decide how to start.

    Raises:
        GapDetected: going on would skip changes; the sentence names both sides.
    """
    if checkpoint is None:
        return Start.FIRST if slot is None else Start.ADOPT
    _check_identity(checkpoint, server, publication)
    if checkpoint.phase is not Phase.STREAMING:
        return Start.AGAIN
    if slot is None:
        raise GapDetected(
            f"Slot {slot_name!r} is gone, and the bridge had confirmed up to "
            f"{format_lsn(checkpoint.confirmed)}: the changes since then were not kept.",
            remedy="Start with --accept-gap to create the slot again and go on without them.",
        )
    if server.wal_lsn < checkpoint.confirmed:
        raise GapDetected(
            f"The server's WAL ends at {format_lsn(server.wal_lsn)}, before "
            f"{format_lsn(checkpoint.confirmed)}, which the bridge has confirmed: the server was "
            "restored to an earlier state.",
            remedy="Start with --accept-gap to go on with what the server has now.",
        )
    if slot.confirmed is not None and slot.confirmed > checkpoint.confirmed:
        raise GapDetected(
            f"Slot {slot_name!r} stands at {format_lsn(slot.confirmed)}, beyond "
            f"{format_lsn(checkpoint.confirmed)}, the last position that the bridge confirmed: "
            "it was created again, or somebody else moved it.",
            remedy="Start with --accept-gap to go on without the changes in between.",
        )
    return Start.RESUME


def _check_identity(checkpoint: Checkpoint, server: Server, publication: str) -> None:
    known = (
        ("system identifier", checkpoint.system_identifier, server.system_identifier),
        ("database", checkpoint.database, server.database),
        ("publication", checkpoint.publication, publication),
    )
    for what, before, now in known:
        if before != now:
            raise GapDetected(
                f"The state directory belongs to the {what} {before!r}, but this is {now!r}.",
                remedy="Set state.dir to an empty directory to start with this one from the "
                "beginning, or start with --accept-gap to forget the other.",
            )


def _lsn(lsn: Lsn | None) -> str:
    return "an unknown position" if lsn is None else format_lsn(lsn)
