"""Logical messages of the prefix ``pgbridge.event``: events that ``pgbridge.emit`` has written."""

from __future__ import annotations

from bridge.core.events import CdcEvent, Operation
from bridge.eventsourcing.emitted import PREFIX, decode_emitted
from bridge.projecting.happening import Happening, Rejection, happening_of


def is_emitted(event: CdcEvent) -> bool:
    """Whether a change is a message that contains an event."""
    return event.operation is Operation.MESSAGE and event.new is not None and event.new[0] == PREFIX


def read_message(event: CdcEvent) -> Happening:
    """Return what a message contains.

    Raises:
        Rejection: it is no text.
        InvalidInput: it contains no event, or one that no store takes.
    """
    assert event.new is not None
    _, content, encoding, _ = event.new
    if encoding != "utf8":
        raise Rejection("the message is no text")
    return happening_of(decode_emitted(content or ""), placed=True)
