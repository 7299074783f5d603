"""A result in the form in which it is stored until its sinks have it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Result:
    """An answer of a processor, ready to be stored and delivered.

    Attributes:
        id: its ``event_id``: the same result has the same in every run.
        type: one of ``bridge.core.result_event.RESULT_TYPES``.
        processor: the name of the processor.
        timestamp: in microseconds: the end of the window or of the match, the later event of
            the join, or the event that was late.
        row_id: the key as ``CdcEvent.row_id`` writes keys: one column is its text, several are a
            JSON array, none is None.
        members: the JSON members that follow ``event_id``, without braces.
        sinks: the names of the sinks that get it.
    """

    id: str
    type: str
    processor: str
    timestamp: int
    row_id: str | None
    members: str
    sinks: tuple[str, ...]

    def __repr__(self) -> str:
        # The row's values are in the key and in the members.
        return f"Result(id={self.id!r}, type={self.type!r}, processor={self.processor!r})"
