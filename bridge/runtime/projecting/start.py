"""Where a projection begins: behind the last change whose events are stored, or with the slot."""

from __future__ import annotations

import structlog

from bridge.core.errors import GapDetected
from bridge.core.events import Position
from bridge.core.lsn import format_lsn
from bridge.eventsourcing.records import Progress
from bridge.eventsourcing.storage import EventStorage
from bridge.runtime.stream_start import StreamStart

log = structlog.get_logger()


def resume_projection(
    storage: EventStorage,
    name: str,
    source: str,
    start: StreamStart,
    set_aside: Position | None = None,
) -> Position | None:
    """Return up to where the changes are in the storage; None for none.

    Args:
        storage: of the events.
        name: of the projection.
        source: text that identifies cluster, database and slot.
        start: how the stream starts.
        set_aside: up to where existing rows are kept of which it is still to tell.

    Raises:
        GapDetected: the events would miss changes, have some twice, or have some that are not there
            any more.
        Transient: the storage is away.
    """
    progress = storage.progress(name)
    problem = _misfit(progress, source, start, set_aside)
    position = None
    if problem is None:
        position = progress.position if progress is not None else None
    elif not start.accept_gap:
        raise GapDetected(
            f"Projection {name!r}: {problem}",
            remedy=f"Give it {'an empty store' if start.first else 'the store of the last run'}, "
            "or start with --accept-gap to append to the events that are there.",
        )
    else:
        log.warning("projection_gap_accepted", projection=name, reason=problem)
        if progress is not None and progress.source == source and not start.first:
            beyond = progress.position.commit_lsn > start.wal_lsn
            position = None if beyond else progress.position
    log.info(
        "projection_started",
        projection=name,
        position=None if position is None else str(position),
        last_global_sequence=storage.last(),
    )
    return position


def _misfit(
    progress: Progress | None, source: str, start: StreamStart, set_aside: Position | None
) -> str | None:
    if progress is None:
        if start.first or start.known is None or start.known == set_aside:
            return None
        return (
            f"the store knows nothing of it, and it had come to {start.known}: its events are lost."
        )
    position = progress.position
    if progress.source != source:
        return f"the store has its events of {progress.source}, and these are of {source}."
    if start.first:
        return (
            f"the store has its events up to {position}, and the stream begins anew: what it has "
            "would come again."
        )
    if position.commit_lsn > start.wal_lsn:
        return (
            f"the store has its events up to {position}, beyond the end of the server's WAL at "
            f"{format_lsn(start.wal_lsn)}: the server was restored to an earlier state."
        )
    if start.promoted:
        return (
            f"the server was promoted or recovered, and the store has events up to {position}, of "
            "which some may be lost there."
        )
    if set_aside is not None:
        position = max(position, set_aside)
    if start.known is not None and position < start.known:
        return (
            f"the store has its events up to {position}, and it had come to {start.known}: the "
            "store is older than the last run."
        )
    if start.known is None and position.commit_lsn < start.confirmed:
        return (
            f"the store has its events up to {position}, and the slot stands at "
            f"{format_lsn(start.confirmed)}: the bridge has run without the projection meanwhile."
        )
    return None
