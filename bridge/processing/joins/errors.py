"""What a join refuses."""

from __future__ import annotations

from bridge.core.errors import BridgeError, ConfigError
from bridge.processing.events import StreamEvent


class RetractionRefused(ConfigError):
    """A join was given an event that takes an earlier one back: joins only take new events."""


class TableNotLoaded(BridgeError):
    """A join with a table was used before all rows of the table were in it."""


def refuse_retraction(join: str, event: StreamEvent) -> None:
    """Let only events pass that add something.

    Raises:
        RetractionRefused: the event has another weight than 1.
    """
    if event.weight != 1:
        raise RetractionRefused(
            f"The join {join!r} was given an event of weight {event.weight}; "
            "joins take events of weight 1 only, and cannot retract.",
            remedy="Read the input in append mode, of inserts only, or keep the table that "
            "changes as the table of a TableJoin.",
        )
