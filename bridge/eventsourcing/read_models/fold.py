"""Folding a batch of events: which rows change, and which events cannot be folded."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from bridge.eventsourcing.read_models.model import Key, ReadModel, Step, StepFailed, Values

if TYPE_CHECKING:
    from bridge.eventsourcing.events import DomainEvent

Refuse: TypeAlias = "Callable[[DomainEvent, StepFailed], None]"
Load: TypeAlias = Callable[[Collection[Key]], Mapping[Key, Values]]


def fold(
    model: ReadModel[Any], events: Sequence[DomainEvent], load: Load, refuse: Refuse
) -> dict[Key, Values | None]:
    """Fold events in their order, with one look at the rows that there are.

    Args:
        model: the read model.
        events: a batch.
        load: returns the stored rows among these keys.
        refuse: called with each event that cannot be folded, which then changes nothing; or it
            raises.

    Returns:
        the rows that changed, by key; None for one that is no more.

    Raises:
        MissingUpcaster: an event has a version from which there is no way to the newest.
    """
    plan: list[tuple[DomainEvent, list[tuple[Step, Key]]]] = []
    for event in events:
        steps = model.steps(event.event_type)
        if not steps:
            continue
        try:
            newest = model.newest(event)
            pairs = [(step, key) for step in steps if (key := step.key(newest)) is not None]
        except StepFailed as failure:
            refuse(event, failure)
        else:
            plan.append((newest, pairs))
    keys = {key for _, pairs in plan for _, key in pairs}
    stored: dict[Key, Values | None] = dict(load(keys)) if keys else {}
    changed: dict[Key, Values | None] = {}
    for event, pairs in plan:
        try:
            changed |= _fold_one(event, pairs, ChainMap({}, changed, stored))
        except StepFailed as failure:
            refuse(event, failure)
    return changed


def _fold_one(
    event: DomainEvent, pairs: list[tuple[Step, Key]], rows: ChainMap[Key, Values | None]
) -> Mapping[Key, Values | None]:
    """Return what one event changes, all of its functions together."""
    for step, key in pairs:
        rows[key] = step.fold(key, rows.get(key), event)
    return rows.maps[0]
