"""What callers of an event store may pass, checked once at its door."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from bridge.eventsourcing.encoding import decode, encode_object, usual_objects
from bridge.eventsourcing.errors import InvalidInput
from bridge.eventsourcing.events import DomainEvent
from bridge.eventsourcing.expected_version import ExpectedVersion, StreamState
from bridge.eventsourcing.records import Write, new_events

MAX_NAME: Final = 200
"""Characters of a type; with ``MAX_ID`` it fits into a row of an index of PostgreSQL."""

MAX_ID: Final = 400
"""Characters of an aggregate_id."""

_UUID: Final = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_UUIDS: Final = re.compile(f"{_UUID}(?:,{_UUID})*")
_MAX_INT: Final = 2**63 - 1


class Contents(NamedTuple):
    """Data or metadata of events.

    Attributes:
        texts: as they are stored, one for each event.
        read: what reading those gives.
    """

    texts: list[str]
    read: Sequence[Mapping[str, Any]]


class Checked(NamedTuple):
    """What was checked.

    Attributes:
        write: what a storage is asked to append.
        data: of its events.
        metadata: of its events.
    """

    write: Write
    data: Contents
    metadata: Contents


def write_of(events: Sequence[DomainEvent], expected: ExpectedVersion) -> Write:
    """Return what a storage is asked to append; see ``checked``."""
    return checked(events, expected).write


def checked(events: Sequence[DomainEvent], expected: ExpectedVersion) -> Checked:
    """Return what a storage is asked to append, and what will be read.

    Args:
        events: of one aggregate; at least one.
        expected: what the aggregate has to be like before.

    Raises:
        InvalidInput: no store takes this.
    """
    check_expected(expected)
    first = events[0]
    kind, key = first.aggregate_type, first.aggregate_id
    check_text(kind, "aggregate_type", MAX_NAME)
    check_text(key, "aggregate_id", MAX_ID)
    for event in events:
        if event.aggregate_id != key or event.aggregate_type != kind:
            raise InvalidInput(
                "The events of one append belong to several aggregates.",
                remedy="Append those of each aggregate on their own.",
            )
    # Column by column: looking at all values of a kind at once is work for C.
    ids = [event.event_id for event in events]
    types = [event.event_type for event in events]
    versions = [event.version for event in events]
    times = [event.timestamp for event in events]
    _check_types(types)
    _check_numbers(types, versions, times)
    data = _contents([event.data for event in events], "data", types)
    metadata = _contents([event.metadata for event in events], "metadata", types)
    columns = zip(_canonical(ids), types, versions, times, data.texts, metadata.texts, strict=True)
    write = Write(kind, key, expected, new_events(columns))
    return Checked(write, data, metadata)


def _check_types(types: Sequence[object]) -> None:
    if set(map(type, types)) == {str}:
        types = tuple(set(types))
    for event_type in types:
        check_text(event_type, "event_type", MAX_NAME)


def _check_numbers(types: Sequence[str], versions: Sequence[int], times: Sequence[int]) -> None:
    if _are_whole(versions, 1) and _are_whole(times, -_MAX_INT):
        return
    for event_type, version, timestamp in zip(types, versions, times, strict=True):
        if not _are_whole([version], 1):
            raise InvalidInput(
                f"The version of an event of type {event_type} has to be a whole number from 1 on.",
                remedy="It is the version of the data's schema; the first one is 1.",
            )
        check_timestamp(timestamp, f"an event of type {event_type}")


def _are_whole(values: Sequence[int], lowest: int) -> bool:
    return set(map(type, values)) == {int} and lowest <= min(values) and max(values) <= _MAX_INT


def _contents(objects: list[Mapping[str, Any]], name: str, types: Sequence[str]) -> Contents:
    """Return the data or metadata of all events as texts, and as they will be read."""
    if not any(objects) and set(map(type, objects)) == {dict}:
        return Contents(["{}"] * len(objects), [{} for _ in objects])
    if usual := usual_objects(objects):
        return Contents(*usual)
    texts = [
        encode_object(content, f"The {name} of {event_type}")
        for content, event_type in zip(objects, types, strict=True)
    ]
    return Contents(texts, list(map(decode, texts)))


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


def _canonical(ids: list[str]) -> list[str]:
    """Return UUIDs in the form in which they are stored and compared."""
    if set(map(type, ids)) == {str} and _UUIDS.fullmatch(",".join(ids)):
        return ids
    try:
        return [str(uuid.UUID(event_id)) for event_id in ids]
    except (ValueError, TypeError, AttributeError):  # the last two: of what is no text
        raise InvalidInput(
            "An event_id is not a UUID.",
            remedy="Use a text such as 0191d7e0-5f3a-7c4e-9a55-1c1f3b2a9d10, the same one when the "
            "append is repeated.",
        ) from None


def _is_unicode(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
