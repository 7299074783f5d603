"""What a processor says about itself."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProcessorStats:
    """Figures of a stream processor, since it was made; a restored one goes on counting.

    Attributes:
        events: that were given to it.
        late: how many of them came too late for all of their windows.
        results: that it gave.
        open_windows: that it keeps, with those that wait for allowed lateness to pass.
        keys: that have state.
        watermark: in microseconds; ``bridge.processing.watermark.BEGINNING`` before the first
            event.
    """

    events: int
    late: int
    results: int
    open_windows: int
    keys: int
    watermark: int
