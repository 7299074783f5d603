"""Whether a store is whole: every segment, and every aggregate from its first to its last event."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from bridge.core.errors import EnvironmentProblem
from bridge.eventsourcing.archive.files import SegmentFiles
from bridge.eventsourcing.archive.verification import faults_of
from bridge.eventsourcing.records import AggregateHead
from bridge.eventsourcing.storage import EventStorage

_PAGE: Final = 1000


class Fault(NamedTuple):
    """Something that is not as it was written.

    Attributes:
        where: a segment, or an aggregate.
        problem: what is wrong with it, in sentences.
    """

    where: str
    problem: str


def faults_in_store(
    storage: EventStorage, files: SegmentFiles | None, advance: Callable[[int], None]
) -> Iterator[Fault]:
    """Yield what is wrong; nothing if all is well.

    Aggregates are read from their first event on, so across the segments, unless one of these is
    damaged: then from what is in the storage itself.

    Args:
        storage: which also reads the segments.
        files: where the segments are; None if nobody said so.
        advance: told after each segment and each aggregate.

    Raises:
        Transient: the storage is away.
    """
    whole = True
    for segment in storage.segments():
        try:
            if files is None:
                faults = ["Nothing says where it is: set archive.dir of the store."]
            else:
                faults = faults_of(segment, files)
        except EnvironmentProblem as unreadable:
            faults = [unreadable.message]
        if faults:
            whole = False
            yield Fault(segment.name, " ".join(faults))
        advance(1)
    after: tuple[str, str] | None = None
    while page := storage.aggregates(after, _PAGE):
        for head in page:
            problem = _problem_of(storage, head, 0 if whole else head.archived)
            if problem is not None:
                yield Fault(f"{head.aggregate_type} {head.aggregate_id}", problem)
            advance(1)
        after = page[-1].aggregate_type, page[-1].aggregate_id


def _problem_of(storage: EventStorage, head: AggregateHead, start: int) -> str | None:
    try:
        return _problem_of_events(storage, head, start)
    except EnvironmentProblem as unreadable:
        return unreadable.message


def _problem_of_events(storage: EventStorage, head: AggregateHead, start: int) -> str | None:
    last = start
    while events := storage.read_aggregate(head.aggregate_type, head.aggregate_id, last, _PAGE):
        for event in events:
            if event.sequence != last + 1:
                return f"Event {last + 1} is missing."
            last = event.sequence
            if not (_is_object(event.data) and _is_object(event.metadata)):
                return f"Event {last} has data or metadata that are not a JSON object."
    return f"Event {last + 1} is missing." if last < head.last_sequence else None


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False
