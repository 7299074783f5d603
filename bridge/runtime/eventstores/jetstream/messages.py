"""The messages of the stream: one for each write, with its events.

A header tells the sequence of the first event, another how many there are; the body is a JSON list
with a list for each event. The global sequence of an event is made of the message's place in the
stream and of the event's place in the message, so it grows in the order of the stream.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from bridge.core.errors import EnvironmentProblem
from bridge.eventsourcing.records import NewEvent, Recorded
from bridge.runtime.eventstores.jetstream.names import aggregate_of

FIRST: Final = "Pgbridge-First"
COUNT: Final = "Pgbridge-Count"
PROGRESS: Final = "Pgbridge-Progress"

_PLACE_BITS: Final = 16
MAX_EVENTS: Final = 1 << _PLACE_BITS
"""So many events fit into one message, and no more."""


class Message(NamedTuple):
    """A message of a stream.

    Attributes:
        sequence: its place in the stream, from 1.
        data: the body; empty if only headers were asked for.
    """

    sequence: int
    subject: str
    headers: Mapping[str, str]
    data: bytes

    @property
    def first(self) -> int:
        """Sequence of the first event."""
        return int(self.headers[FIRST])

    @property
    def last(self) -> int:
        """Sequence of the last event."""
        return self.first + int(self.headers[COUNT]) - 1


def global_sequence(message: int, place: int) -> int:
    """Return the global sequence of the event at ``place``, from 0, in the message."""
    return message << _PLACE_BITS | place


def message_of(sequence: int) -> tuple[int, int]:
    """Return the message of a global sequence, and the place in it."""
    return sequence >> _PLACE_BITS, sequence & (MAX_EVENTS - 1)


def encode(events: Sequence[NewEvent]) -> bytes:
    """Return the body of a message with these events."""
    text = json.dumps(events, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "surrogatepass")


def headers(first: int, count: int) -> dict[str, str]:
    """Return the headers that tell what is in a message."""
    return {FIRST: str(first), COUNT: str(count)}


def decode(message: Message) -> list[Recorded]:
    """Return the events of a message.

    Raises:
        EnvironmentProblem: it is not one of ours.
    """
    try:
        first = message.first
        start = global_sequence(message.sequence, 0)
        kind, one = aggregate_of(message.subject)
        rows = json.loads(message.data.decode("utf-8", "surrogatepass"))
        if len(rows) != message.last - first + 1:
            raise ValueError
        return [
            Recorded(start + n, kind, one, first + n, *NewEvent(*row)) for n, row in enumerate(rows)
        ]
    except (KeyError, ValueError, TypeError) as error:
        raise EnvironmentProblem(
            f"Message {message.sequence} of the JetStream stream holds no events in the form of "
            "pgbridge.",
            remedy="Let nothing else publish to the subjects of the stream.",
        ) from error


def parse_headers(raw: bytes) -> dict[str, str]:
    """Return the headers of a message in the form that the server stores them."""
    lines = raw.decode("utf-8", "replace").split("\r\n")[1:]
    pairs = (line.partition(":") for line in lines if line)
    return {name: value.strip() for name, _, value in pairs}
