"""An event as the content of a logical message: what ``pgbridge.emit`` writes into the WAL.

A JSON object with ``event_id``, ``aggregate_type``, ``aggregate_id``, ``event_type``, ``version``,
``timestamp``, ``data`` and ``metadata``. Applications in other languages may write it, too.
"""

from __future__ import annotations

import json
from typing import Any, Final

from bridge.eventsourcing.checks import write_of
from bridge.eventsourcing.encoding import encode
from bridge.eventsourcing.errors import InvalidInput
from bridge.eventsourcing.events import DomainEvent
from bridge.eventsourcing.expected_version import ANY

PREFIX: Final = "pgbridge.event"
"""Of the logical messages that are events."""

_REQUIRED: Final = (
    *("event_id", "aggregate_id", "aggregate_type", "event_type"),
    *("version", "timestamp", "data"),
)
_REMEDY: Final = "Write the event with pgbridge.emit, or in the same form."


def encode_emitted(event: DomainEvent) -> str:
    """Return the content of the message for an event.

    Raises:
        InvalidInput: no store takes the event.
    """
    write = write_of([event], ANY)
    [new] = write.events
    head = encode(
        {
            "event_id": new.event_id,
            "aggregate_type": write.aggregate_type,
            "aggregate_id": write.aggregate_id,
            "event_type": new.event_type,
            "version": new.version,
            "timestamp": new.timestamp,
        },
        "the event",
    )
    return f'{head[:-1]},"data":{new.data},"metadata":{new.metadata}}}'


def decode_emitted(content: str) -> DomainEvent:
    """Return the event that a message contains. What its members are is not checked here.

    Raises:
        InvalidInput: the content is not of this form; the message does not quote it.
    """
    document = read_object(content, "The message")
    missing = [name for name in _REQUIRED if name not in document]
    if missing:
        raise InvalidInput(f"The message has no {missing[0]}.", remedy=_REMEDY)
    return DomainEvent(
        **{name: document[name] for name in _REQUIRED}, metadata=document.get("metadata") or {}
    )


def read_object(text: str, what: str) -> dict[str, Any]:
    """Return the JSON object that a text is.

    Args:
        text: that was written by somebody else.
        what: it is, for messages.

    Raises:
        InvalidInput: it is none.
    """
    try:
        found = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise InvalidInput(f"{what} is no JSON.", remedy=_REMEDY) from None
    if not isinstance(found, dict):
        raise InvalidInput(f"{what} is no JSON object.", remedy=_REMEDY)
    return found


def _refuse(name: str) -> None:
    raise ValueError(name)
