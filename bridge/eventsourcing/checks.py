"""What callers of an event store may pass, checked once at its door."""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from typing import Final

from bridge.eventsourcing.encoding import encode_exact, exact_object, is_exact
from bridge.eventsourcing.errors import InvalidInput
from bridge.eventsourcing.events import DomainEvent
from bridge.eventsourcing.expected_version import ExpectedVersion, StreamState
from bridge.eventsourcing.records import NewEvent, Write

MAX_NAME: Final = 200
"""Characters of a type; with ``MAX_ID`` it fits into a row of an index of PostgreSQL."""

MAX_ID: Final = 400
"""Characters of an aggregate_id."""

_UUID: Final = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_MAX_INT: Final = 2**63 - 1


def write_of(events: Sequence[DomainEvent], expected: ExpectedVersion) -> Write:
    """Return what a storage is asked to append.

    Args:
        events: of one aggregate; at least one.
        expected: what the aggregate has to be like before.

    Raises:
        InvalidInput: no store takes this.
    """
    return checked(events, expected)[0]


def checked(
    events: Sequence[DomainEvent], expected: ExpectedVersion
) -> tuple[Write, list[DomainEvent]]:
    """Return what a storage is asked to append, and the events as they will be read.

    Args:
        events: as for ``write_of``, and so are the exceptions.
        expected: what the aggregate has to be like before.
    """
    check_expected(expected)
    first = events[0]
    aggregate_type, aggregate_id = first.aggregate_type, first.aggregate_id
    check_text(aggregate_type, "aggregate_type", MAX_NAME)
    check_text(aggregate_id, "aggregate_id", MAX_ID)
    for event in events:
        if event.aggregate_id != aggregate_id or event.aggregate_type != aggregate_type:
            raise InvalidInput(
                "The events of one append belong to several aggregates.",
                remedy="Append those of each aggregate on their own.",
            )
    readable = list(map(_readable, events))
    return Write(aggregate_type, aggregate_id, expected, tuple(map(_new_event, readable))), readable


def _readable(event: DomainEvent) -> DomainEvent:
    """Check an event and return it as it will be read; mostly it is that already."""
    event_id, _, _, event_type, version, timestamp, data, _, metadata, _ = event
    check_text(event_type, "event_type", MAX_NAME)
    if type(version) is not int or not 1 <= version <= _MAX_INT:
        raise InvalidInput(
            f"The version of an event of type {event_type} has to be a whole number from 1 on.",
            remedy="It is the version of the data's schema; the first one is 1.",
        )
    if type(timestamp) is not int or abs(timestamp) > _MAX_INT:
        check_timestamp(timestamp, f"an event of type {event_type}")
    if not (type(event_id) is str and _UUID.fullmatch(event_id)):
        event = event._replace(event_id=_canonical(event_id))
    if not (type(data) is dict and is_exact(data)):
        event = event._replace(data=exact_object(data, f"The data of {event_type}"))
    if metadata != {} and not (type(metadata) is dict and is_exact(metadata)):
        event = event._replace(metadata=exact_object(metadata, f"The metadata of {event_type}"))
    return event


def _new_event(event: DomainEvent) -> NewEvent:
    event_id, _, _, event_type, version, timestamp, data, _, metadata, _ = event
    encoded = "{}" if metadata == {} else encode_exact(metadata)
    return NewEvent(event_id, event_type, version, timestamp, encode_exact(data), encoded)


def check_expected(expected: object) -> None:
    """Check an expected version.

    Raises:
        InvalidInput: it is none of the three names and no sequence.
    """
    if isinstance(expected, StreamState):
        return
    if type(expected) is not int:
        raise InvalidInput(
            f"An expected version cannot be of type {type(expected).__name__}.",
            remedy="Use ANY, NO_STREAM, STREAM_EXISTS, or the sequence of the last event seen.",
        )
    if not 1 <= expected <= _MAX_INT:
        raise InvalidInput(
            f"The expected version {expected} cannot be: the sequence of the first event is 1.",
            remedy="Use NO_STREAM for an aggregate without events.",
        )


def check_text(value: object, name: str, longest: int) -> None:
    """Check a type or an id.

    Raises:
        InvalidInput: it is no text, is empty or too long, or holds what no storage can keep.
    """
    if not isinstance(value, str):
        raise InvalidInput(
            f"{name} has to be a text, and is of type {type(value).__name__}.",
            remedy="Turn it into a text.",
        )
    if not 0 < len(value) <= longest:
        raise InvalidInput(
            f"{name} has {len(value)} characters.",
            remedy=f"It needs at least 1, at most {longest}.",
        )
    if "\0" in value or not (value.isascii() or _is_unicode(value)):
        raise InvalidInput(
            f"{name} has a character that cannot be stored: NUL, or half of a surrogate pair.",
            remedy="Leave it out.",
        )


def check_timestamp(value: object, what: str) -> None:
    """Check a time.

    Raises:
        InvalidInput: it is no 64-bit integer.
    """
    if type(value) is not int or abs(value) > _MAX_INT:
        raise InvalidInput(
            f"The timestamp of {what} has to be a whole number.",
            remedy="It counts microseconds since 1970.",
        )


def check_from(value: object, name: str) -> None:
    """Check where a reader wants to begin.

    Raises:
        InvalidInput: it is no sequence.
    """
    if type(value) is not int or value < 1:
        raise InvalidInput(
            f"{name} has to be a whole number from 1 on: it is the first sequence that is read.",
            remedy="Use 1 to read from the beginning.",
        )


def _canonical(event_id: object) -> str:
    if isinstance(event_id, str):
        try:
            return str(uuid.UUID(event_id))
        except ValueError:
            pass
    raise InvalidInput(
        "An event_id is not a UUID.",
        remedy="Use a text such as 0191d7e0-5f3a-7c4e-9a55-1c1f3b2a9d10, the same one when the "
        "append is repeated.",
    )


def _is_unicode(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
