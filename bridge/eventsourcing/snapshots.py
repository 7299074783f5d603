"""Snapshots between the event store and its storage, and whose snapshots a fold may start from.

The state that a storage keeps is a JSON object with two members: ``state``, and ``fold``, the name
of the function that made it. A snapshot that one function made is not the start of another.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bridge.core.errors import EnvironmentProblem
from bridge.eventsourcing.encoding import damaged, decode, encode
from bridge.eventsourcing.errors import InvalidInput
from bridge.eventsourcing.events import Snapshot
from bridge.eventsourcing.records import AggregateHead, SnapshotRecord


def snapshot_record(snapshot: Snapshot) -> SnapshotRecord:
    """Return a snapshot as a storage keeps it.

    Raises:
        InvalidInput: the state is no JSON.
    """
    # The members are encoded one by one, so that messages name places inside the state.
    state = encode(snapshot.state, f"The state of a snapshot of {snapshot.aggregate_type}")
    fold = encode(snapshot.fold, "The fold of a snapshot")
    return SnapshotRecord(
        snapshot.aggregate_type,
        snapshot.aggregate_id,
        snapshot.last_sequence,
        snapshot.version,
        snapshot.timestamp,
        f'{{"state":{state},"fold":{fold}}}',
    )


def snapshot_of(found: SnapshotRecord) -> Snapshot:
    """Return what ``snapshot_record`` was given.

    Raises:
        EnvironmentProblem: it is not that any more.
    """
    try:
        stored = decode(found.state)
    except ValueError:
        raise damaged(
            f"A snapshot of {found.aggregate_type} at sequence {found.last_sequence}"
        ) from None
    return Snapshot(
        found.aggregate_id,
        found.aggregate_type,
        found.timestamp,
        found.last_sequence,
        stored["state"],
        found.version,
        stored["fold"],
    )


def check_snapshot(snapshot: Snapshot, head: AggregateHead) -> None:
    """Check a snapshot against the aggregate that it is about to be stored for.

    Raises:
        InvalidInput: it claims events that the aggregate does not have.
    """
    if snapshot.last_sequence > head.last_sequence:
        raise InvalidInput(
            f"A snapshot of {head.aggregate_type} is newer than its events: it contains the event "
            f"with sequence {snapshot.last_sequence}, and the last one there is "
            f"{head.last_sequence}.",
            remedy="Make it from the events that are in this store.",
        )


def check_stored(snapshot: Snapshot, head: AggregateHead) -> None:
    """Check a stored snapshot against its aggregate.

    Raises:
        EnvironmentProblem: the store has lost events that the snapshot contains.
    """
    if snapshot.last_sequence > head.last_sequence:
        raise EnvironmentProblem(
            f"A stored snapshot of {head.aggregate_type} is newer than its events: it contains the "
            f"event with sequence {snapshot.last_sequence}, and the last one there is "
            f"{head.last_sequence}.",
            remedy="The store has lost events: restore it.",
        )


def fold_name(apply: Callable[..., Any]) -> str | None:
    """Return ``module:name`` of a function; None if it has no name that tells it from others."""
    module = getattr(apply, "__module__", None)
    name = getattr(apply, "__qualname__", None)
    if not module or not name or "<" in name:  # <lambda>, or <locals> of another function
        return None
    return f"{module}:{name}"
