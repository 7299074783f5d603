"""A row that a join gives."""

from __future__ import annotations

from typing import NamedTuple

from bridge.processing.events import Key, StreamEvent
from bridge.processing.identity import result_id
from bridge.processing.joins.inputs import Side


class JoinResult(NamedTuple):
    """A left and a right event that belong together, or one that found no partner.

    Attributes:
        join: name of the join.
        key: what both have in common.
        left: None where a right event found no partner.
        right: None where a left event found no partner.
    """

    join: str
    key: Key
    left: StreamEvent | None
    right: StreamEvent | None

    @property
    def timestamp(self) -> int:
        """The later one of both, in microseconds since the Unix epoch."""
        return max(side.timestamp for side in (self.left, self.right) if side is not None)

    @property
    def id(self) -> str:
        """A UUID of version 8, the same for the same row in every run.

        It is made of the join's name, the key, and the timestamp and the sequence of each side.
        """
        return result_id(self.join, self.key, _place(self.left), _place(self.right))

    def __repr__(self) -> str:  # never the values of rows, nor the key, which is one
        return f"<JoinResult {self.join!r} left {_place(self.left)} right {_place(self.right)}>"


def row_alone(join: str, side: Side, event: StreamEvent) -> JoinResult:
    """Return the row of an event that has no partner."""
    if side == "left":
        return JoinResult(join, event.key, event, None)
    return JoinResult(join, event.key, None, event)


def _place(event: StreamEvent | None) -> tuple[int, int] | None:
    return None if event is None else (event.timestamp, event.sequence)
