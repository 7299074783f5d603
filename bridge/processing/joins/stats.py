"""What a join says about itself: counted since it was made; a restored one goes on counting."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class InputStats:
    """Figures of one side of a join of two streams.

    Attributes:
        events: that it was given.
        late: how many of them came too late.
        null_keys: how many of them join nothing because of their key.
        kept: events that are in memory now.
    """

    events: int
    late: int
    null_keys: int
    kept: int


@dataclass(frozen=True, slots=True)
class JoinStats:
    """Figures of a join of two streams.

    Attributes:
        left: of the left stream.
        right: of the right stream.
        results: rows that it gave.
        watermark: the lower one of both sides, in microseconds;
            ``bridge.processing.watermark.BEGINNING`` before both had an event.
    """

    left: InputStats
    right: InputStats
    results: int
    watermark: int


@dataclass(frozen=True, slots=True)
class TableJoinStats:
    """Figures of a join with a table.

    Attributes:
        events: of the stream that it was given.
        null_keys: how many of them join nothing because of their key.
        table_changes: that it was given.
        results: rows that it gave.
        rows: of the table that are in memory now.
    """

    events: int
    null_keys: int
    table_changes: int
    results: int
    rows: int
