"""What an append comes to: which events are stored, and with which sequences.

Every storage asks this module, so that all of them answer alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count, repeat
from operator import add

from bridge.eventsourcing.errors import ConcurrencyConflict, EventIdTaken
from bridge.eventsourcing.expected_version import meets
from bridge.eventsourcing.records import Recorded, Write, recorded

_NEW_ID = "Give each event an event_id of its own, and repeat an append as it was."


def already_stored(write: Write, stored: Mapping[str, Recorded]) -> list[Recorded] | None:
    """Return the events of a write if they are all stored already, None if none of them is.

    Args:
        write: what is to be appended.
        stored: event_id to event, for those of the write that the storage has, in any aggregate.

    Raises:
        EventIdTaken: an id belongs to an event of another aggregate, stands twice in the write, or
            only some of the events are stored.
    """
    _refuse_twice(write)
    found = [stored[event.event_id] for event in write.events if event.event_id in stored]
    for event in found:
        if (event.aggregate_type, event.aggregate_id) != (write.aggregate_type, write.aggregate_id):
            raise EventIdTaken(
                event.event_id,
                f"The event_id {event.event_id} belongs to an event of another aggregate, of type "
                f"{event.aggregate_type}.",
                remedy=_NEW_ID,
            )
    if found and len(found) < len(write.events):
        raise EventIdTaken(
            found[0].event_id,
            f"The event_id {found[0].event_id} belongs to an event that is stored already, but "
            "other events of the same append are not.",
            remedy=_NEW_ID,
        )
    return found or None


def first_sequence(write: Write, actual: int) -> int:
    """Return the sequence of the first event of a write of which nothing is stored yet.

    Args:
        write: what is to be appended.
        actual: the sequence of the aggregate's last event; 0 if it has none.

    Raises:
        ConcurrencyConflict: the aggregate is not as expected.
    """
    if not meets(write.expected, actual):
        raise ConcurrencyConflict(
            write.aggregate_type, write.aggregate_id, expected=write.expected, actual=actual
        )
    return actual + 1


def record(write: Write, sequence: int, global_sequence: int) -> list[Recorded]:
    """Return the events of a write as they are stored, numbered from these two on."""
    aggregate_type, aggregate_id, _, events = write
    places = zip(
        count(global_sequence), repeat(aggregate_type), repeat(aggregate_id), count(sequence)
    )
    return recorded(map(add, places, events))


def _refuse_twice(write: Write) -> None:
    ids = [event.event_id for event in write.events]
    if len(set(ids)) < len(ids):
        twice = next(one for n, one in enumerate(ids) if one in ids[:n])
        raise EventIdTaken(
            twice, f"The event_id {twice} stands twice in the same append.", remedy=_NEW_ID
        )
