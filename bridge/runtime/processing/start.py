"""Where stream processing begins: with the states of the store, or without any."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import structlog

from bridge.core.errors import EnvironmentProblem, GapDetected
from bridge.core.events import Position
from bridge.core.lsn import format_lsn
from bridge.processing.partitions import PartitionMemory
from bridge.processing.state.store import ProcessingCheckpoint, StateStore
from bridge.runtime.processing.collection import without_collection
from bridge.runtime.stream_start import StreamStart

log = structlog.get_logger()


class Dataflow(Protocol):
    """A compiled processor without a state (``bridge.dataflow``)."""

    @property
    def name(self) -> str: ...
    @property
    def state_name(self) -> str: ...
    @property
    def needs_rows(self) -> tuple[str, ...]: ...
    def snapshot(self) -> Any: ...
    def restore(self, state: Any) -> None: ...


def restore_states(
    store: StateStore,
    dataflows: Sequence[Dataflow],
    start: StreamStart,
    memory: PartitionMemory | None = None,
) -> ProcessingCheckpoint:
    """Give every processor its state, and return where the store stands.

    States that belong to no processor any more are reported and removed: the stream goes on
    without them, so they could never be used again.

    Raises:
        GapDetected: the states would miss changes, or know some that are not there any more.
        EnvironmentProblem: a processor needs rows that it has not seen, or the store is damaged.
        Transient: the store is away.
    """
    with without_collection():
        found = store.load([dataflow.state_name for dataflow in dataflows])
    if found is None or start.first:
        # Rows that an earlier first start has read come again with this one.
        sequence = 0 if found is None else found.sequence
        found = ProcessingCheckpoint(None, {}, sequence)
    position = _checked(found.position, start)
    missing = [flow for flow in dataflows if flow.state_name not in found.states]
    for dataflow in missing:
        if dataflow.needs_rows and not start.rows:
            why = (
                "source.snapshot does not let them come."
                if start.first
                else "the slot already streams: they do not come again."
            )
            raise EnvironmentProblem(
                f"Processor {dataflow.name!r} needs the rows of {', '.join(dataflow.needs_rows)}, "
                f"and {why}",
                remedy="Set source.snapshot to initial, and give the bridge another source.slot "
                "and state.dir, or drop the slot and empty state.dir, so that it begins with the "
                "existing rows.",
            )
    with without_collection():
        for dataflow in dataflows:
            if dataflow.state_name in found.states:
                dataflow.restore(found.states[dataflow.state_name])
    if missing or position != found.position:
        # So that the next start knows a processor which has not seen anything yet.
        states: Mapping[str, Any]
        states = {dataflow.state_name: dataflow.snapshot() for dataflow in dataflows}
        if memory is not None:
            states = memory.with_changed(states)
        found = ProcessingCheckpoint(position, states, found.sequence)
        store.commit(found, [])
        if memory is not None:
            memory.committed()
    _forget_unused(store, dataflows)  # last: a start that is refused changes nothing
    log.info(
        "processing_started",
        position=None if position is None else str(position),
        results=found.sequence,
        new=[dataflow.name for dataflow in missing],
    )
    return ProcessingCheckpoint(position, {}, found.sequence)


def _checked(position: Position | None, start: StreamStart) -> Position | None:
    """Return the position to go on from.

    Raises:
        GapDetected: the states do not fit to the stream.
    """
    if start.first:
        return None
    problem = _misfit(position, start)
    if problem is None:
        return position
    if not start.accept_gap:
        raise GapDetected(
            problem,
            remedy="Restore the store to the state of the last run, or start with --accept-gap to "
            "go on with the states as they are.",
        )
    log.warning("processing_gap_accepted", reason=problem)
    beyond = position is not None and position.commit_lsn > start.wal_lsn
    return None if beyond else position


def _misfit(position: Position | None, start: StreamStart) -> str | None:
    if position is None:
        if start.known is None:
            return None
        return (
            f"The store of processing states is empty, and the processors had come to "
            f"{start.known}: their states are lost."
        )
    if position.commit_lsn > start.wal_lsn:
        return (
            f"The processing states contain changes up to {position}, beyond the end of the "
            f"server's WAL at {format_lsn(start.wal_lsn)}: the server was restored to an earlier "
            "state."
        )
    if start.promoted:
        return (
            f"The server was promoted or recovered, and the processing states contain changes up "
            f"to {position}, of which some may be lost."
        )
    if start.known is not None and position < start.known:
        return (
            f"The processing states end at {position}, and the processors had come to "
            f"{start.known}: the store is older than the last run."
        )
    if start.known is None and position.commit_lsn < start.confirmed:
        return (
            f"The processing states end at {position}, and the slot stands at "
            f"{format_lsn(start.confirmed)}: the bridge has run without the processors meanwhile."
        )
    return None


def _forget_unused(store: StateStore, dataflows: Sequence[Dataflow]) -> None:
    used = {dataflow.state_name for dataflow in dataflows}
    unused: dict[str, list[str]] = {}
    for name in store.names():
        whole = name.partition("/")[0]  # that of a partition belongs to it
        if whole not in used:
            unused.setdefault(whole, []).append(name)
    for whole, names in unused.items():
        log.warning("processor_state_unused", state=whole)
        for name in names:
            store.forget(name)
