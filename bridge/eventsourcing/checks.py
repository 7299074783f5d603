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
    new, readable = [], []
    for event in events:
        event_id, key, kind, event_type, version, timestamp, data, _, metadata, _ = (
            found := event if _is_usual(event) else _readable(event)
        )
        if key != aggregate_id or kind != aggregate_type:
            raise InvalidInput(
                "The events of one append belong to several aggregates.",
                remedy="Append those of each aggregate on their own.",
            )
        text = encode_exact(data)
        about = encode_exact(metadata) if metadata else "{}"
        new.append(NewEvent(event_id, event_type, version, timestamp, text, about))
        readable.append(found)
    return Write(aggregate_type, aggregate_id, expected, tuple(new)), readable


def _is_usual(event: DomainEvent) -> bool:
    """Tell, as quickly as one can, whether an event is fine and as it will be read."""
    event_id, _, _, event_type, version, timestamp, data, _, metadata, _ = event
    return (
        type(event_id) is str
        and _UUID.fullmatch(event_id) is not None
        and is_text(event_type, MAX_NAME)
        and type(version) is type(timestamp) is int
        and 1 <= version <= _MAX_INT
        and -_MAX_INT <= timestamp <= _MAX_INT
        and type(data) is type(metadata) is dict
        and is_exact(data)
        and (not metadata or is_exact(metadata))
    )


def _readable(event: DomainEvent) -> DomainEvent:
    """Check an event and return it as it will be read."""
    event_id, _, _, event_type, version, timestamp, data, _, metadata, _ = event
    check_text(event_type, "event_type", MAX_NAME)
    if type(version) is not int or not 1 <= version <= _MAX_INT:
        raise InvalidInput(
            f"The version of an event of type {event_type} has to be a whole number from 1 on.",
            remedy="It is the version of the data's schema; the first one is 1.",
        )
    check_timestamp(timestamp, f"an event of type {event_type}")
    return event._replace(
        event_id=_canonical(event_id),
        data=exact_object(data, f"The data of {event_type}"),
        metadata=exact_object(metadata, f"The metadata of {event_type}"),
    )


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
    if is_text(value, longest):
        return
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
    raise InvalidInput(
        f"{name} has a character that cannot be stored: NUL, or half of a surrogate pair.",
        remedy="Leave it out.",
    )


def is_text(value: object, longest: int) -> bool:
    """Tell whether a value can be a type or an id."""
    return (
        isinstance(value, str)
        and 0 < len(value) <= longest
        and "\0" not in value
        and (value.isascii() or _is_unicode(value))
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
