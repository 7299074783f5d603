"""What an append expects of its aggregate: nothing, no event, some event, or a certain last one."""

from __future__ import annotations

from enum import Enum
from typing import Final, TypeAlias


class StreamState(Enum):
    """Expectations that are no number."""

    ANY = "ANY"
    NO_STREAM = "NO_STREAM"
    STREAM_EXISTS = "STREAM_EXISTS"

    def __repr__(self) -> str:
        return self.value

    def __str__(self) -> str:
        return self.value


ANY: Final = StreamState.ANY
"""Append whatever the aggregate holds."""

NO_STREAM: Final = StreamState.NO_STREAM
"""Append only if the aggregate has no event yet."""

STREAM_EXISTS: Final = StreamState.STREAM_EXISTS
"""Append only if the aggregate has events."""

ExpectedVersion: TypeAlias = StreamState | int
"""One of the three, or the ``sequence`` (from 1) of the last event that the caller has seen."""


def meets(expected: ExpectedVersion, actual: int) -> bool:
    """Tell whether an aggregate whose last event has the sequence ``actual`` (0: none) fits."""
    match expected:
        case StreamState.ANY:
            return True
        case StreamState.NO_STREAM:
            return actual == 0
        case StreamState.STREAM_EXISTS:
            return actual > 0
        case _:
            return actual == expected
