"""What a pattern gives."""

from __future__ import annotations

from hashlib import sha256
from typing import NamedTuple
from uuid import UUID

from bridge.processing.events import Key, StreamEvent


class PatternMatch(NamedTuple):
    """Events that match a pattern.

    Attributes:
        pattern: name of the matcher.
        key: of all the events.
        events: by the name of the step that accepted them, in the order of the steps; each list
            is oldest first. A step that took none is absent.
        start: timestamp of the first event, in microseconds since the Unix epoch.
        end: when the match became certain: the timestamp of its last event; for a pattern that
            ends with ``not_next``, of the event after it; with ``not_followed_by``, the end of
            the window.
    """

    pattern: str
    key: Key
    events: dict[str, list[StreamEvent]]
    start: int
    end: int

    @property
    def id(self) -> str:
        """The same for the same match, in every run: a UUID.

        It is made of the name of the matcher, the key, and of step, timestamp and sequence of
        each event. Keys are told apart by how they are written, so they have to be plain data.
        """
        made_of = repr((self.pattern, self.key, _places(self.events)))
        digest = bytearray(sha256(made_of.encode("utf-8", "surrogatepass")).digest()[:16])
        # Version 8 of RFC 9562: what the other bits mean is ours to say.
        digest[6] = digest[6] & 0x0F | 0x80
        digest[8] = digest[8] & 0x3F | 0x80
        return str(UUID(bytes=bytes(digest)))

    def __repr__(self) -> str:  # never the values of rows, nor the key, which is one
        return f"<PatternMatch {self.pattern!r} {_places(self.events)}>"


class TimedOut(NamedTuple):
    """A partial match whose window ended before it was a match.

    Attributes:
        pattern: name of the matcher.
        key: of all the events.
        events: what it had accepted, as in ``PatternMatch``.
        start: timestamp of the first event, in microseconds since the Unix epoch.
        end: of the window, ``within`` after the start.
    """

    pattern: str
    key: Key
    events: dict[str, list[StreamEvent]]
    start: int
    end: int

    def __repr__(self) -> str:
        return f"<TimedOut {self.pattern!r} {_places(self.events)}>"


def _places(events: dict[str, list[StreamEvent]]) -> list[tuple[str, list[tuple[int, int]]]]:
    return [
        (step, [(event.timestamp, event.sequence) for event in taken])
        for step, taken in events.items()
    ]
